import { ChevronRight } from 'lucide-react';
import type { GraphDocument } from '../../core/graph-view/document.ts';
import styles from './graph.module.css';

interface BreadcrumbProps {
  readonly document: GraphDocument;
  readonly scope: number;
  readonly onEnter: (scope: number) => void;
}

/** The way from the main graph to the graph inside it that is shown; nothing at the top. */
export function Breadcrumb({ document, scope, onEnter }: BreadcrumbProps) {
  if (scope === 0) return null;
  const way: number[] = [];
  for (let at: number | undefined = scope; at !== undefined; at = document.scopes[at]!.owner?.scope) way.unshift(at);
  return (
    <nav className={styles.breadcrumb} aria-label="Graph inside graphs">
      <ol>
        {way.map((at) => (
          <li key={at}>
            {at === scope ? (
              <span aria-current="page">{document.scopes[at]!.title}</span>
            ) : (
              <>
                <button type="button" className={styles.link} onClick={() => onEnter(at)}>
                  {document.scopes[at]!.title}
                </button>
                <ChevronRight size={13} aria-hidden />
              </>
            )}
          </li>
        ))}
      </ol>
    </nav>
  );
}
