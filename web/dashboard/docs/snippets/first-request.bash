PRODUCT=$(curl -s http://localhost:8000/api/pms/products \
  -H "X-API-Key: $PMS_API_KEY" -H 'Content-Type: application/json' \
  -d '{"name": "Mug", "description": "Holds coffee.", "price": 9.5, "categoryId": "kitchen", "images": []}' \
  | sed 's/.*"id":"\([^"]*\)".*/\1/')

curl -s http://localhost:8000/api/inventory/adjust \
  -H "X-API-Key: $PMS_API_KEY" -H 'Content-Type: application/json' \
  -H 'Prefer: wait=10' -H 'Idempotency-Key: delivery-1' \
  -d "{\"productId\": \"$PRODUCT\", \"quantity\": 10, \"type\": \"increment\"}"

curl -s http://localhost:8000/api/inventory/stock/$PRODUCT -H "X-API-Key: $PMS_API_KEY"
echo "export PRODUCT=$PRODUCT"
