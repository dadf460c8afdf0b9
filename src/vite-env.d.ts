/// <reference types="vite/client" />
declare const __WHITTLE_VERSION__: string;
