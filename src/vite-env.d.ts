/// <reference types="vite/client" />
declare const __WHITTLE_VERSION__: string;
/** A hash of what figures depend on (scripts/lib/engine-hash.mjs). */
declare const __WHITTLE_ENGINE__: string;
