/**
 * Where the page's own assets lie: an absolute URL that ends in '/', whatever path the build is served under. Workers
 * have no document, so the page works it out and tells them.
 */
export function pageAssetBase(): string {
  return new URL(import.meta.env.BASE_URL, document.baseURI).href;
}
