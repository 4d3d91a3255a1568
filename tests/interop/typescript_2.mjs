// The 2.x line of the official TypeScript client, in the mode that the argument names.
import assert from 'node:assert/strict';

import { Client } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';

import { drive, program, shutDown } from './expect.mjs';

const asked = process.argv[2];
const mode = ['legacy', 'auto'].includes(asked) ? asked : { pin: asked };
const client = new Client({ name: 'interop', version: '1.0.0' }, { versionNegotiation: { mode } });
await client.connect(new StdioClientTransport(program));
const version = client.getNegotiatedProtocolVersion();
assert.equal(version, asked === 'legacy' ? '2025-11-25' : '2026-07-28');
await drive(client, (name, args, options) => client.callTool({ name, arguments: args }, options));
await shutDown(client);
console.log(`speaks ${version}`);
