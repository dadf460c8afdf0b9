// A Chromium for the browser tests: one already on the machine, else Playwright's own download, else the system's packages.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';

const places = {
  linux: [
    '/usr/bin/chromium',
    '/usr/bin/chromium-browser',
    '/usr/bin/google-chrome-stable',
    '/usr/bin/google-chrome',
    '/snap/bin/chromium',
  ],
  darwin: [
    '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
    '/Applications/Chromium.app/Contents/MacOS/Chromium',
  ],
  win32: [
    'C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe',
    'C:\\Program Files (x86)\\Google\\Chrome\\Application\\chrome.exe',
  ],
};

/** @returns path of a Chromium that is there, or undefined */
export async function findChromium() {
  const given = process.env.WHITTLE_CHROMIUM;
  if (given) return existsSync(given) ? given : undefined;
  const found = (places[process.platform] ?? []).find((path) => existsSync(path));
  if (found) return found;
  const { chromium } = await import('playwright-core');
  const downloaded = chromium.executablePath();
  return downloaded && existsSync(downloaded) ? downloaded : undefined;
}

/** @returns path of a Chromium, installed if need be; throws with what was tried */
export async function ensureChromium(root) {
  const found = await findChromium();
  if (found) return found;
  const tried = [];
  const attempt = (command, args) => {
    console.log(`Chromium is missing: trying ${command} ${args.join(' ')}`);
    const result = spawnSync(command, args, { cwd: root, stdio: 'inherit', timeout: 900_000 });
    tried.push(`${command} ${args.join(' ')} (${result.error?.message ?? `exit ${result.status}`})`);
  };
  attempt('npx', ['playwright-core', 'install', 'chromium']);
  if (!(await findChromium()) && process.platform === 'linux') {
    const sudo = process.getuid?.() === 0 ? [] : ['sudo', '-n'];
    const packageManager = (...words) => attempt(...splitFirst([...sudo, ...words]));
    if (existsSync('/usr/bin/apt-get')) {
      packageManager('apt-get', 'update', '-qq');
      packageManager('apt-get', 'install', '-y', '-qq', '--no-install-recommends', 'chromium');
    } else if (existsSync('/usr/bin/dnf')) packageManager('dnf', 'install', '-y', 'chromium');
    else if (existsSync('/sbin/apk')) packageManager('apk', 'add', 'chromium');
  }
  const installed = await findChromium();
  if (!installed)
    throw new Error(`No Chromium could be found or installed. Set WHITTLE_CHROMIUM to one. Tried: ${tried.join('; ')}`);
  return installed;
}

const splitFirst = ([first, ...rest]) => [first, rest];

/** Arguments under which Chromium runs headless, WebGPU on the CPU included (SwiftShader: right, not fast). */
export const chromiumArgs = [
  '--no-sandbox',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--disable-quic',
  '--enable-unsafe-webgpu',
];
