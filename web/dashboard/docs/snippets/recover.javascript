import { io } from 'socket.io-client';

const product = process.env.PRODUCT;
const socket = io('http://localhost:8000', { auth: { token: process.env.PMS_API_KEY } });
let cursor;

socket.on('inventory_update', (data) => {
  cursor = data.cursor;
  console.log(JSON.stringify(data));
});

// Runs again after every break: the cursor brings what was missed, in order, before the answer.
socket.on('connect', async () => {
  const answer = await socket.emitWithAck(
    'subscribe_inventory', { productId: product, since: cursor });
  if (answer.error) throw new Error(answer.error);
  if (answer.recovered !== true) console.log(JSON.stringify(answer.snapshot));
  cursor = answer.cursor;
});
