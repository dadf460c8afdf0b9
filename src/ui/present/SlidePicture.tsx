import type { CSSProperties } from 'react';
import styles from './present.module.css';
import type { Line, Picture } from './slide-data.ts';
import { useTween } from './use-tween.ts';

/** The figures as lengths and places. The sentences beside it say the same, so it is hidden from screen readers. */
export function SlidePicture({ picture }: { readonly picture: Picture }) {
  const { limit, lines } = picture;
  return (
    <div className={styles.picture} data-kind={picture.kind} aria-hidden="true">
      {lines.map((line, index) => (
        // The second row is the variant's, whichever it is: it moves from one to the next.
        // biome-ignore lint/suspicious/noArrayIndexKey: see above
        <Row key={index} line={line} picture={picture} />
      ))}
      {limit && (
        <div className={styles.limit} style={place(share(limit.value, picture.range))}>
          <span data-side={share(limit.value, picture.range) > 0.6 ? 'left' : 'right'}>{limit.label}</span>
        </div>
      )}
    </div>
  );
}

function Row({ line, picture }: { readonly line: Line; readonly picture: Picture }) {
  const [value = null, low = null, high = null] = useTween([line.value, line.low, line.high]);
  const { range, format, kind } = picture;
  const beyond = value === null ? '' : value > range[1] ? ' →' : value < range[0] ? ' ←' : '';
  return (
    <>
      <div className={styles.label}>{line.label}</div>
      <div className={styles.track}>
        {value === null ? (
          <span className={styles.missing}>not measured</span>
        ) : (
          <>
            <div
              className={kind === 'bars' ? styles.bar : styles.dot}
              data-baseline={line.isBaseline}
              style={kind === 'bars' ? { width: percent(share(value, range)) } : { left: percent(share(value, range)) }}
            />
            {low !== null && high !== null && beyond === '' && (
              <div
                className={styles.whisker}
                style={{ left: percent(share(low, range)), width: percent(share(high, range) - share(low, range)) }}
              />
            )}
          </>
        )}
      </div>
      <div className={styles.value} data-value={line.value ?? ''}>
        {value === null ? '' : `${format(value)}${beyond}`}
      </div>
    </>
  );
}

function share(value: number, [from, to]: readonly [number, number]): number {
  return to > from ? Math.min(Math.max((value - from) / (to - from), 0), 1) : 0;
}

const percent = (part: number): string => `${+(part * 100).toFixed(3)}%`;

const place = (part: number): CSSProperties => ({ '--at': part }) as CSSProperties;
