import { Maximize } from 'lucide-react';
import { useMemo, useRef } from 'react';
import { Button } from '../components/Button.tsx';
import { Note } from '../components/Note.tsx';
import { formatCount } from '../format.ts';
import { MAX_QR_BYTES, qrPath } from './qr-path.ts';
import styles from './share.module.css';
import { useRoom } from './use-room.ts';

/** Readers need four modules of white around it. */
const QUIET = 4;
/** From here on (version 22) a phone must come close to a screen. */
const DENSE = 105;

/** The link for a room. Black on white in either theme: many readers know no other. */
export default function QrCode({ text, canShorten }: { readonly text: string; readonly canShorten: boolean }) {
  const code = useMemo(() => qrPath(text), [text]);
  const figure = useRef<HTMLElement>(null);
  const room = useRoom(figure);
  if (!code)
    return (
      <Note
        level="warning"
        advice={canShorten ? 'Without your figures it is shorter.' : 'Copy the link instead, or share fewer variants.'}
      >
        This link is too long for a QR code: it has {formatCount(text.length)} characters, a QR code holds at most{' '}
        {formatCount(MAX_QR_BYTES)}.
      </Note>
    );
  const side = code.size + 2 * QUIET;
  // Every module the same whole number of screen pixels: readers stumble over uneven ones.
  const density = devicePixelRatio || 1;
  const pixels = (side * Math.max(1, Math.floor((room * density) / side))) / density;
  return (
    <figure ref={figure} className={styles.figure}>
      <svg
        role="img"
        aria-label="QR code of the link"
        className={styles.code}
        width={pixels}
        height={pixels}
        viewBox={`${-QUIET} ${-QUIET} ${side} ${side}`}
        shapeRendering="crispEdges"
      >
        <rect x={-QUIET} y={-QUIET} width={side} height={side} fill="#fff" />
        <path d={code.path} fill="#000" />
      </svg>
      <figcaption className={styles.caption}>
        <span>
          QR code, {code.size} × {code.size}
          {code.size >= DENSE && ': dense, so show it large'}
        </span>
        {document.fullscreenEnabled && (
          <Button onClick={() => void figure.current?.requestFullscreen()}>
            <Maximize size={15} aria-hidden /> Fill the screen
          </Button>
        )}
      </figcaption>
    </figure>
  );
}
