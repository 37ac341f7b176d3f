import { io } from 'socket.io-client';

const socket = io('http://localhost:8000', { auth: { token: process.env.PMS_API_KEY } });
socket.on('inventory_update', (data) => console.log(JSON.stringify(data)));
socket.on('connect', () => socket.emit('subscribe_inventory', process.env.PRODUCT));
