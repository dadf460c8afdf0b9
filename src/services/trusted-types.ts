/**
 * Under `require-trusted-types-for 'script'` no string becomes code, an address of a worker included, unless a policy
 * lets it. The default policy, which applies to every string that no other policy has seen, lets scripts of this origin.
 */

interface PolicyFactory {
  createPolicy(name: string, rules: { createScriptURL(address: string): string | null }): unknown;
}

/** Call before anything starts a worker. Browsers without trusted types need nothing. */
export function trustOwnScripts(): void {
  const { trustedTypes } = globalThis as { trustedTypes?: PolicyFactory };
  trustedTypes?.createPolicy('default', {
    // null refuses.
    createScriptURL: (address) => (new URL(address, location.href).origin === location.origin ? address : null),
  });
}
