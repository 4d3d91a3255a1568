// The checks that all TypeScript clients share.
import assert from 'node:assert/strict';

export const program = (...flags) => ({
  command: process.env.MCP_WRAPPER,
  args: [process.env.MCP_STATUS, process.env.MCP_SAID, process.env.MCP_SERVER, '--demo', ...flags],
});

export const minimal = () => ({
  command: process.env.MCP_WRAPPER,
  args: [process.env.MCP_STATUS, process.env.MCP_SAID, process.env.MCP_MINIMAL],
});

export const names = ['list_repos', 'get_user', 'star', 'fetch', 'echo', 'slow', 'panic', 'bare'];

export const text = (result) => {
  assert.equal(result.content.length, 1);
  return result.content[0].text;
};

// `call` takes the name and the arguments of a tool, and the options of the request.
export async function drive(client, call) {
  const { tools } = await client.listTools();
  assert.deepEqual(tools.map((tool) => tool.name), names);
  assert.equal(text(await call('echo', { text: 'grüße\n' })), 'grüße\n');
  const repos = await call('list_repos', { limit: 1 });
  assert.match(text(repos), /hello-world/);
  assert.equal(repos.structuredContent.repositories[0].name, 'hello-world');
  const starred = await call('star', { owner: 'demo', repository: 'hello-world' });
  assert.match(text(starred), /204/);
  const refused = await call('fetch', { path: '//evil.example' });
  assert.equal(refused.isError, true);
  assert.match(text(refused), /two slashes/);
  await assert.rejects(call('no_such_tool', {}), (error) => error.code === -32602);

  const abort = new AbortController();
  const slow = call('slow', { ms: 60_000 }, { signal: abort.signal });
  setTimeout(() => abort.abort('test'), 200);
  await assert.rejects(slow);
  assert.equal(text(await call('echo', { text: 'after' })), 'after');
}

export async function driveMinimal(client, call) {
  const { tools } = await client.listTools();
  assert.deepEqual(tools.map((tool) => tool.name), ['list_repos']);
  assert.match(text(await call('list_repos', { limit: 1 })), /demo\/hello-world/);
  assert.equal((await call('list_repos', { limit: 'x' })).isError, true);
}

// Opens a page as the user's browser does. On the sample gateway, that counts as consent. Fills in and sends a form.
export async function visit(url) {
  const page = await fetch(url);
  assert.equal(page.status, 200);
  const shown = await page.text();
  const fields = Array.from(shown.matchAll(/<input [^>]*name="([^"]+)"/g), ([, name]) => name);
  assert.deepEqual(fields, shown.includes('<form') ? ['api_key'] : []);
  if (fields.length > 0) {
    const body = new URLSearchParams({ api_key: process.env.MCP_SECRET });
    const sent = await fetch(url, { method: 'POST', body, headers: { Origin: new URL(url).origin } });
    assert.match(await sent.text(), /Connected/);
  }
}

// Connects with the secret, which the upstream repeats in a response. `run.sh` checks that the server hides it.
export const byForm = (connect) => async (call, told) => {
  await connect(call, told);
  const created = await call('fetch', { method: 'POST', path: '/user/repos', body: { name: process.env.MCP_SECRET } });
  assert.match(text(created), /\[credential\]/);
};

// A legacy client that opens pages gets the page in an error, and a notification when the user has finished with the page.
export async function connectByError(call, told) {
  const refused = await call('get_user', {}).then(() => assert.fail('nothing was connected'), (error) => error);
  assert.equal(refused.code, -32042);
  const [page] = refused.data.elicitations;
  await visit(page.url);
  assert.equal(await told, page.elicitationId);
  assert.equal((await call('get_user', {})).structuredContent.login, 'demo');
}

// A client without that capability gets the address in the text.
export async function connectByText(call) {
  const failed = await call('get_user', {});
  assert.equal(failed.isError, true);
  await visit(text(failed).split(' ').at(-1));
  assert.match(text(await call('get_user', {})), /demo/);
}

// A call that was not cancelled would delay the shutdown by 1.5 s.
export async function shutDown(client) {
  const start = performance.now();
  await client.close();
  const took = performance.now() - start;
  assert.ok(took < 1200, `the shutdown took ${took} ms: was the call cancelled?`);
}
