import { ChevronsDownUp, ChevronsUpDown, Maximize, ZoomIn, ZoomOut } from 'lucide-react';
import { type ReactNode, type RefObject, useId } from 'react';
import type { GraphDocument, GraphScope } from '../../core/graph-view/document.ts';
import type { SearchHit } from '../../core/graph-view/search.ts';
import { Button } from '../components/Button.tsx';
import controls from '../components/controls.module.css';
import { Tip } from '../components/Tip.tsx';
import type { ColourMode } from './colour-modes.ts';
import type { GraphCanvasHandle } from './GraphCanvas.tsx';
import styles from './graph.module.css';
import { SearchBox } from './SearchBox.tsx';

interface GraphToolbarProps {
  readonly picker: ReactNode;
  readonly document: GraphDocument;
  readonly scope: GraphScope;
  readonly canOpenAll: boolean;
  readonly modes: readonly ColourMode[];
  readonly mode: ColourMode;
  readonly query: string;
  readonly canvas: RefObject<GraphCanvasHandle | null>;
  readonly onMode: (id: string) => void;
  readonly onQuery: (query: string) => void;
  readonly onGo: (hit: SearchHit) => void;
  readonly onOpenAll: () => void;
  readonly onCloseAll: () => void;
}

export function GraphToolbar(props: GraphToolbarProps) {
  const { picker, document, scope, canOpenAll, modes, mode, query, canvas } = props;
  const id = useId();
  return (
    <div className={styles.toolbar}>
      {picker}
      <SearchBox document={document} query={query} onQuery={props.onQuery} onGo={props.onGo} />
      <span className={styles.colourBy}>
        <label htmlFor={id}>Colour by</label>
        <select
          id={id}
          className={controls.select}
          value={mode.id}
          onChange={(event) => props.onMode(event.target.value)}
        >
          {modes.map((each) => (
            <option key={each.id} value={each.id}>
              {each.title}
            </option>
          ))}
        </select>
      </span>
      <span className={styles.tools}>
        {scope.groups.length > 0 && (
          <>
            <Tip text={canOpenAll ? 'Open all groups' : 'Too many nodes to show all at once'}>
              <Button icon aria-label="Open all groups" disabled={!canOpenAll} onClick={props.onOpenAll}>
                <ChevronsUpDown size={15} />
              </Button>
            </Tip>
            <Tip text="Close all groups">
              <Button icon aria-label="Close all groups" onClick={props.onCloseAll}>
                <ChevronsDownUp size={15} />
              </Button>
            </Tip>
          </>
        )}
        <Tip text="Zoom out ( − )">
          <Button icon aria-label="Zoom out" onClick={() => canvas.current?.zoom(1 / 1.4)}>
            <ZoomOut size={15} />
          </Button>
        </Tip>
        <Tip text="Zoom in ( + )">
          <Button icon aria-label="Zoom in" onClick={() => canvas.current?.zoom(1.4)}>
            <ZoomIn size={15} />
          </Button>
        </Tip>
        <Tip text="Show everything ( 0 )">
          <Button icon aria-label="Show everything" onClick={() => canvas.current?.fit()}>
            <Maximize size={15} />
          </Button>
        </Tip>
      </span>
    </div>
  );
}
