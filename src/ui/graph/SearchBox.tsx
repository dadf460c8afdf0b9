import { ChevronDown, ChevronUp, Search, X } from 'lucide-react';
import { type KeyboardEvent, useDeferredValue, useEffect, useId, useMemo, useRef, useState } from 'react';
import type { GraphDocument } from '../../core/graph-view/document.ts';
import { type SearchHit, searchGraph } from '../../core/graph-view/search.ts';
import { Button } from '../components/Button.tsx';
import controls from '../components/controls.module.css';
import { formatCount } from '../format.ts';
import { isTyping } from '../keys.ts';
import styles from './graph.module.css';

interface SearchBoxProps {
  readonly document: GraphDocument;
  readonly query: string;
  readonly onQuery: (query: string) => void;
  readonly onGo: (hit: SearchHit) => void;
}

const SHOWN = 60;

/** Finds nodes by name, operator, value or weight: a list to choose from, and steps from one to the next. */
export function SearchBox({ document: graph, query, onQuery, onGo }: SearchBoxProps) {
  const id = useId();
  const input = useRef<HTMLInputElement>(null);
  const [at, setAt] = useState(-1);
  const [isListOpen, setListOpen] = useState(false);
  const deferred = useDeferredValue(query);
  const { hits, total } = useMemo(() => searchGraph(graph, deferred), [graph, deferred]);
  useEffect(() => {
    const onKey = (event: globalThis.KeyboardEvent) => {
      if (event.key !== '/' || event.ctrlKey || event.metaKey || isTyping(event.target)) return;
      event.preventDefault();
      input.current?.focus();
    };
    addEventListener('keydown', onKey);
    return () => removeEventListener('keydown', onKey);
  }, []);
  const go = (next: number) => {
    // Who presses Enter right behind the last letter means what stands there, not what the list shows yet.
    const current = deferred === query ? hits : searchGraph(graph, query).hits;
    if (current.length === 0) return;
    const wrapped = (next + current.length) % current.length;
    setAt(wrapped);
    onGo(current[wrapped]!);
  };
  const change = (next: string) => {
    onQuery(next);
    setAt(-1);
    setListOpen(next !== '');
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === 'Enter') go(event.shiftKey ? at - 1 : at + 1);
    else if (event.key === 'ArrowDown') {
      setListOpen(true);
      go(at + 1);
    } else if (event.key === 'ArrowUp') go(at - 1);
    else if (event.key === 'Escape') {
      if (isListOpen) setListOpen(false);
      else change('');
    } else return;
    event.preventDefault();
    event.stopPropagation();
  };
  const from = Math.max(0, Math.min(at - 5, hits.length - SHOWN));
  const shown = hits.slice(from, from + SHOWN);
  const isShown = isListOpen && query.trim() !== '';
  const status =
    query.trim() === ''
      ? ''
      : total === 0
        ? 'Nothing found'
        : at < 0
          ? `${formatCount(total)} found`
          : `${at + 1} of ${formatCount(total)}`;
  return (
    <search
      className={styles.search}
      onBlur={(event) => {
        if (!event.currentTarget.contains(event.relatedTarget)) setListOpen(false);
      }}
    >
      <div className={styles.searchField}>
        <Search size={14} aria-hidden className={styles.searchIcon} />
        <input
          ref={input}
          className={controls.input}
          role="combobox"
          aria-label="Find nodes, operators, tensors"
          aria-expanded={isShown}
          aria-controls={`${id}-list`}
          aria-activedescendant={isShown && at >= 0 ? `${id}-${at}` : undefined}
          placeholder="Find  ( / )"
          value={query}
          spellCheck={false}
          onChange={(event) => change(event.target.value)}
          onFocus={() => setListOpen(query !== '')}
          onKeyDown={onKeyDown}
        />
        <span className={styles.searchStatus} role="status">
          {status}
        </span>
      </div>
      <Button icon look="quiet" aria-label="Previous match" disabled={total === 0} onClick={() => go(at - 1)}>
        <ChevronUp size={15} />
      </Button>
      <Button icon look="quiet" aria-label="Next match" disabled={total === 0} onClick={() => go(at + 1)}>
        <ChevronDown size={15} />
      </Button>
      {query !== '' && (
        <Button icon look="quiet" aria-label="Clear search" onClick={() => change('')}>
          <X size={15} />
        </Button>
      )}
      <div
        id={`${id}-list`}
        role="listbox"
        aria-label="Matches"
        className={styles.results}
        hidden={!isShown || total === 0}
      >
        {isShown &&
          shown.map((hit, index) => (
            <Result
              key={`${hit.scope} ${hit.node}`}
              id={`${id}-${from + index}`}
              graph={graph}
              hit={hit}
              isCurrent={from + index === at}
              onGo={() => go(from + index)}
            />
          ))}
      </div>
    </search>
  );
}

interface ResultProps {
  readonly id: string;
  readonly graph: GraphDocument;
  readonly hit: SearchHit;
  readonly isCurrent: boolean;
  readonly onGo: () => void;
}

function Result({ id, graph, hit, isCurrent, onGo }: ResultProps) {
  const element = useRef<HTMLDivElement>(null);
  const { nodes, title } = graph.scopes[hit.scope]!;
  const { name, op } = nodes[hit.node]!;
  useEffect(() => {
    if (isCurrent) element.current?.scrollIntoView({ block: 'nearest' });
  }, [isCurrent]);
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: the field's arrow keys and Enter go through the list
    <div
      ref={element}
      id={id}
      role="option"
      tabIndex={-1}
      aria-selected={isCurrent}
      className={styles.result}
      onMouseDown={(event) => event.preventDefault()}
      onClick={onGo}
    >
      <strong>{op}</strong> <span className={styles.mono}>{name}</span>
      {(hit.text !== '' || hit.scope > 0) && (
        <small>
          {hit.text !== '' && `${hit.what} ${hit.text}`}
          {hit.scope > 0 && ` in ${title}`}
        </small>
      )}
    </div>
  );
}
