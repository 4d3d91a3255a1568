// What every TypeScript client has to see.
import assert from 'node:assert/strict';

export const program = {
  command: process.env.MCP_WRAPPER,
  args: [process.env.MCP_STATUS, process.env.MCP_SERVER, '--demo', '--bench'],
};

const text = (result) => {
  assert.equal(result.content.length, 1);
  return result.content[0].text;
};

// `call` takes the name and the arguments of a tool, and the options of the request.
export async function drive(client, call) {
  const { tools } = await client.listTools();
  assert.deepEqual(tools.map((tool) => tool.name), ['list_repos', 'get_user', 'fetch', 'echo', 'slow']);
  assert.equal(text(await call('echo', { text: 'grüße\n' })), 'grüße\n');
  assert.match(text(await call('list_repos', { limit: 1 })), /hello-world/);
  const refused = await call('fetch', { path: '//evil.example' });
  assert.equal(refused.isError, true);
  assert.match(text(refused), /is refused/);
  await assert.rejects(call('no_such_tool', {}), (error) => error.code === -32602);

  const abort = new AbortController();
  const slow = call('slow', { ms: 60_000 }, { signal: abort.signal });
  setTimeout(() => abort.abort('test'), 200);
  await assert.rejects(slow);
  assert.equal(text(await call('echo', { text: 'after' })), 'after');
}

// A call that was not cancelled would hold the shutdown up for 1.5 s.
export async function shutDown(client) {
  const start = performance.now();
  await client.close();
  const took = performance.now() - start;
  assert.ok(took < 1200, `the shutdown took ${took} ms: was the call cancelled?`);
}
