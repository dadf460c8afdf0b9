/** The content security policy that the browser holds this page to, read from where it is written. */

export interface PagePolicy {
  /** From the page's own meta tag, directive by directive; null where there is none. */
  readonly written: readonly string[] | null;
  /** From the header that came with the page; null where the host sends none, or cannot be asked. */
  readonly sent: readonly string[] | null;
}

export async function readPagePolicy(): Promise<PagePolicy> {
  const meta = document.querySelector<HTMLMetaElement>('meta[http-equiv="Content-Security-Policy"]');
  return { written: directives(meta?.content ?? null), sent: directives(await sentWithPage()) };
}

async function sentWithPage(): Promise<string | null> {
  try {
    const response = await fetch(new URL(import.meta.env.BASE_URL, document.baseURI));
    void response.body?.cancel();
    return response.headers.get('content-security-policy');
  } catch {
    return null;
  }
}

function directives(policy: string | null): string[] | null {
  const found = (policy ?? '').split(';').map((directive) => directive.trim());
  return policy === null ? null : found.filter((directive) => directive !== '');
}
