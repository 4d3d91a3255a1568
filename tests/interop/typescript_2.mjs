// The official TypeScript client, version 2.x, in the mode that the argument names.
import assert from 'node:assert/strict';

import { Client } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';

import { byForm, connectByError, connectByText, drive, driveMinimal, minimal, program, shutDown, text, visit } from './expect.mjs';

const asked = process.argv[2];
const mode = ['legacy', 'auto'].includes(asked) ? asked : { pin: asked };

async function run(capabilities, server, use) {
  const client = new Client({ name: 'interop', version: '1.0.0' }, { capabilities, versionNegotiation: { mode } });
  const told = new Promise((resolve) => {
    client.setNotificationHandler('notifications/elicitation/complete', ({ params }) => resolve(params.elicitationId));
  });
  // The user declines the first request, and then opens the page.
  const actions = ['decline', 'accept'];
  if (capabilities.elicitation) {
    client.setRequestHandler('elicitation/create', async ({ params }) => {
      const action = actions.shift();
      if (action === 'accept') await visit(params.url);
      return { action };
    });
  }
  await client.connect(new StdioClientTransport(server));
  const call = (name, args, options) => client.callTool({ name, arguments: args }, options);
  await use(client, call, told);
  await shutDown(client);
}

// A modern client asks its user, and then sends the call again by itself.
async function connect(call) {
  const declined = await call('get_user', {});
  assert.equal(declined.isError, true);
  assert.match(text(declined), /declined/);
  assert.equal((await call('get_user', {})).structuredContent.login, 'demo');
}

let version;
await run({}, program('--bench'), async (client, call) => {
  version = client.getNegotiatedProtocolVersion();
  assert.equal(version, asked === 'legacy' ? '2025-11-25' : '2026-07-28');
  await drive(client, call);
});
const byPage = asked === 'legacy' ? connectByError : connect;
for (const [flag, how] of [['--unconnected', (connect) => connect], ['--form', byForm]]) {
  await run({ elicitation: { url: {} } }, program(flag), (_, call, told) => how(byPage)(call, told));
  await run({}, program(flag), (_, call) => how(connectByText)(call));
}
await run({}, minimal(), driveMinimal);
console.log(`speaks ${version}, connects by page, form and text`);
