/**
 * Vite's and Vitest's `import.meta.glob`, as far as the core uses it. The other projects see Vite's own types; the core
 * is compiled without them.
 */
interface ImportMeta {
  glob<Module>(pattern: string | readonly string[], options: { eager: true }): Record<string, Module>;
}
