// The 1.x line of the official TypeScript client.
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';

import { drive, program, shutDown } from './expect.mjs';

const client = new Client({ name: 'interop', version: '1.0.0' });
await client.connect(new StdioClientTransport(program));
await client.ping();
await drive(client, (name, args, options) => client.callTool({ name, arguments: args }, undefined, options));
const { version } = client.getServerVersion();
await shutDown(client);
console.log(`knows the server as ${version}`);
