/**
 * The page's side of the service worker (workers/service.ts): it makes the app open without a network, and on hosts that
 * send no headers it adds those that threads need. Nothing here ever reloads a page that holds anybody's work.
 */
import { type OfflineMessage, PAGE_LOCK } from './worker/offline/plan.ts';

export interface OfflineListener {
  /** A new version is there and waits for `takeUpdate`. */
  onUpdate(): void;
  /**
   * From now on the service worker sees what is loaded, for the first time in this browser.
   * @returns beginnings of paths of what was loaded before, to be kept too
   */
  onFirstControl(): readonly string[];
  /** True while a reload would take nothing away from anybody. */
  isUntouched(): boolean;
}

const RELOADED_KEY = 'whittle.reloaded-for-threads';
/** A page that stays open for days asks now and then. */
const ASK_AGAIN_MS = 60 * 60 * 1000;

let registration: ServiceWorkerRegistration | null = null;

const tell = (worker: ServiceWorker | null | undefined, message: OfflineMessage) => worker?.postMessage(message);

/**
 * Keeps the files of this page's build for as long as the page lives, whatever version other tabs go on with.
 * @param mainScript absolute address of the page's main script: what this page was built with
 */
export function holdBuild(mainScript: string): void {
  void navigator.locks?.request(PAGE_LOCK + mainScript, { mode: 'shared' }, () => {
    tell(navigator.serviceWorker?.controller, { kind: 'started' });
    return new Promise<never>(() => {});
  });
}

/** Nothing happens where the browser has no service workers, or forbids them. */
export async function startOffline(listener: OfflineListener): Promise<void> {
  const { serviceWorker } = navigator;
  if (!serviceWorker) return;
  const hadController = serviceWorker.controller !== null;
  if (!hadController)
    serviceWorker.addEventListener('controllerchange', () => atFirstControl(serviceWorker, listener), { once: true });
  const base = new URL(import.meta.env.BASE_URL, document.baseURI);
  try {
    registration = (await serviceWorker.register(new URL('service.js', base), { scope: base.href })) ?? null;
  } catch {
    // Private windows and strict settings: the app works as any page does.
  }
  if (registration) watchForUpdates(registration, listener);
}

/**
 * Hands a file that the page has whole to a service worker that did not see it come, so that it need not ask for it again.
 * @param path relative to where the app lies
 */
export function keepForLater(path: string, contents: Blob): void {
  const serviceWorker = (navigator as Partial<Navigator>).serviceWorker;
  if (!serviceWorker) return;
  const give = () => tell(serviceWorker.controller, { kind: 'given', path, contents });
  if (serviceWorker.controller) give();
  else serviceWorker.addEventListener('controllerchange', give, { once: true });
}

function watchForUpdates(found: ServiceWorkerRegistration, listener: OfflineListener): void {
  const tellWhenInstalled = (worker: ServiceWorker | null) => {
    worker?.addEventListener('statechange', () => {
      // Without a version before, the first one is no update.
      if (worker.state === 'installed' && navigator.serviceWorker.controller) listener.onUpdate();
    });
  };
  if (found.waiting && navigator.serviceWorker.controller) listener.onUpdate();
  tellWhenInstalled(found.installing);
  found.addEventListener('updatefound', () => tellWhenInstalled(found.installing));
  let askedAt = Date.now();
  document.addEventListener('visibilitychange', () => {
    if (document.visibilityState !== 'visible' || Date.now() - askedAt < ASK_AGAIN_MS) return;
    askedAt = Date.now();
    found.update().catch(() => {});
  });
}

function atFirstControl({ controller }: ServiceWorkerContainer, listener: OfflineListener): void {
  tell(controller, { kind: 'keep', paths: listener.onFirstControl() });
  if (crossOriginIsolated || !listener.isUntouched()) return;
  try {
    // Once: where it does not help, it must not happen again.
    if (sessionStorage.getItem(RELOADED_KEY)) return;
    sessionStorage.setItem(RELOADED_KEY, 'yes');
  } catch {
    return;
  }
  location.reload();
}

/** Lets the new version take over, and shows it. Write down what must not be lost before. */
export async function takeUpdate(): Promise<void> {
  const waiting = registration?.waiting;
  // Another tab may have been first; then a reload is all it takes.
  if (waiting)
    await new Promise<void>((done) => {
      navigator.serviceWorker.addEventListener('controllerchange', () => done(), { once: true });
      tell(waiting, { kind: 'take-over' });
    });
  location.reload();
}
