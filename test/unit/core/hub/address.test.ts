import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import {
  formatHubAddress,
  type HubAddress,
  isHubUrl,
  parseHost,
  parseHubAddress,
} from '../../../../src/core/hub/address.ts';

const read = (text: string, host?: string) => {
  const result = parseHubAddress(text, host);
  if (!result.ok) throw result.error;
  return result.value;
};
const refusal = (text: string) => {
  const result = parseHubAddress(text);
  if (result.ok) throw new Error(`taken as ${JSON.stringify(result.value)}`);
  return result.error;
};
const at = (repo: string, revision: string | null = null, path: string | null = null) => ({ repo, revision, path });

describe('addresses of the hub', () => {
  test.each([
    ['Xenova/all-MiniLM-L6-v2', at('Xenova/all-MiniLM-L6-v2')],
    ['  Xenova/all-MiniLM-L6-v2/ ', at('Xenova/all-MiniLM-L6-v2')],
    ['"gpt2"', at('gpt2')],
    ['org.name/my_model.v1-2', at('org.name/my_model.v1-2')],
    ['org/name/onnx/model.onnx', at('org/name', null, 'onnx/model.onnx')],
    ['org/name@v1.0', at('org/name', 'v1.0')],
    ['org/name@refs%2Fpr%2F3', at('org/name', 'refs/pr/3')],
    ['hf://org/name@rev/onnx/model.onnx', at('org/name', 'rev', 'onnx/model.onnx')],
    ['hf://org/name@refs/pr/3/onnx/model.onnx', at('org/name', 'refs/pr/3', 'onnx/model.onnx')],
    ['hf://gpt2', at('gpt2')],
    ['https://huggingface.co/org/name', at('org/name')],
    ['https://huggingface.co/gpt2', at('gpt2')],
    ['huggingface.co/org/name', at('org/name')],
    ['https://hf.co/org/name?library=onnx#usage', at('org/name')],
    ['https://huggingface.co/org/name/tree/main', at('org/name', 'main')],
    ['https://huggingface.co/org/name/tree/main/onnx', at('org/name', 'main', 'onnx')],
    ['https://huggingface.co/gpt2/blob/main/onnx/decoder_model.onnx', at('gpt2', 'main', 'onnx/decoder_model.onnx')],
    [
      'https://huggingface.co/org/name/resolve/0123abc/onnx/model.onnx?download=true',
      at('org/name', '0123abc', 'onnx/model.onnx'),
    ],
    ['https://huggingface.co/org/name/blob/refs%2Fpr%2F1/a%20b.onnx', at('org/name', 'refs/pr/1', 'a b.onnx')],
    ['https://huggingface.co/org/name/blob/refs/pr/1/model.onnx', at('org/name', 'refs/pr/1', 'model.onnx')],
    ['https://huggingface.co/org/name/discussions/4', at('org/name')],
    ['https://huggingface.co/api/models/org/name/tree/main', at('org/name', 'main')],
  ] as const)('%s', (text, expected) => {
    expect(read(text)).toEqual(expected);
  });

  test.each([
    ['', /it is empty/],
    ['org/name name', /cannot be the name/],
    ['a/--b', /cannot be the name/],
    ['org/na..me', /cannot be the name/],
    ['-org/name', /cannot be the name/],
    ['https://example.com/org/name', /it is on example\.com/],
    ['https://huggingface.co.example.com/org/name', /it is on huggingface\.co\.example\.com/],
    ['https://huggingface.co/datasets/org/name', /a data set/],
    ['https://huggingface.co/spaces/org/name', /a space/],
    ['https://huggingface.co/', /cannot be the name/],
    ['https://huggingface.co/org/name/nowhere/x', /“\/nowhere” is no page/],
    ['https://huggingface.co/org/name/tree', /no revision/],
    ['https://huggingface.co/org/name/blob/main/%2e%2e%2fx', /cannot be a path/],
    ['https://huggingface.co/org/name/blob/main/%zz', /it is not an address/],
    ['ftp://huggingface.co/org/name', /it begins with ftp:/],
    ['javascript:alert(1)', /cannot be the name/],
    ['org/name@', /no revision/],
    ['org/name@a..b', /cannot be a revision/],
    ['org/name@main/../../x', /cannot be a path/],
    [`org/${'n'.repeat(97)}`, /cannot be the name/],
    ['x'.repeat(2001), /too long/],
  ])('refuses %s and says what was seen', (text, reason) => {
    const error = refusal(text);
    expect(error.code).toBe('hub/bad-address');
    expect(error.message).toMatch(reason);
  });

  it('takes a mirror’s addresses only where it is the host', () => {
    const address = 'https://mirror.example:8443/org/name/tree/main';
    expect(refusal(address).message).toMatch(/it is on mirror/);
    expect(read(address, 'https://mirror.example:8443')).toEqual(at('org/name', 'main'));
    expect(isHubUrl(address, 'https://mirror.example:8443')).toBe(true);
    expect(isHubUrl('https://huggingface.co/org/name')).toBe(true);
    expect(isHubUrl('https://example.com/model.onnx')).toBe(false);
    expect(isHubUrl('org/name')).toBe(false);
  });

  const word = fc.stringMatching(/^[a-zA-Z0-9]{1,12}([._-][a-zA-Z0-9]{1,8}){0,2}$/);
  const address: fc.Arbitrary<HubAddress> = fc
    .record({
      owner: word.filter((text) => !/^(api|datasets|spaces|docs|models|settings|join|login|blog|papers)$/i.test(text)),
      name: word,
      revision: fc.option(fc.oneof(word, fc.constant('refs/pr/12'), fc.constant('feature/x'))),
      path: fc.option(fc.array(fc.stringMatching(/^[\w ()+%#@é.-]{1,10}[a-z]$/), { minLength: 1, maxLength: 3 })),
    })
    .map(({ owner, name, revision, path }) => ({
      repo: `${owner}/${name}`,
      revision: path && revision === null ? 'main' : revision,
      path: path?.join('/') ?? null,
    }));

  it('reads back what it writes, in the short form and as a page’s address', () => {
    fc.assert(
      fc.property(address, (value) => {
        expect(read(formatHubAddress(value))).toEqual(value);
        if (value.revision === null) return;
        const path = (value.path ?? '').split('/').map(encodeURIComponent).join('/');
        const kind = value.path === null ? 'tree' : 'blob';
        expect(
          read(`https://huggingface.co/${value.repo}/${kind}/${encodeURIComponent(value.revision)}/${path}`),
        ).toEqual(value);
      }),
    );
  });

  it('never throws, and what it takes leads nowhere outside', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.webUrl(), fc.stringMatching(/^[a-z./@%:-]{0,40}$/)), (text) => {
        const result = parseHubAddress(text);
        if (!result.ok) return;
        const { repo, path } = result.value;
        expect(`${repo}/${path ?? ''}`.split('/')).not.toContain('..');
      }),
      { numRuns: 500 },
    );
  });
});

describe('the server to ask', () => {
  const host = (text: string) => {
    const result = parseHost(text);
    return result.ok ? result.value : result.error.message;
  };
  test.each([
    ['https://hf-mirror.example/', 'https://hf-mirror.example'],
    ['mirror.example', 'https://mirror.example'],
    ['http://127.0.0.1:8080', 'http://127.0.0.1:8080'],
  ])('%s', (text, expected) => expect(host(text)).toBe(expected));
  test.each([
    ['http://mirror.example', /only https/],
    ['https://user:secret@mirror.example', /password/],
    ['https://mirror.example/hub', /path/],
    ['file:///etc', /only https/],
    ['http://', /not an address/],
  ])('refuses %s', (text, reason) => expect(host(text)).toMatch(reason));
});
