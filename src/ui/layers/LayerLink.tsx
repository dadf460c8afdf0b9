import { studio } from '../../state/store.ts';
import styles from './layers.module.css';

interface LayerLinkProps {
  readonly name: string;
  /** The value it makes: variants keep its name, even where they rewrite the node. */
  readonly output: string;
}

/** A layer's name that leads to it on the graph. */
export function LayerLink({ name, output }: LayerLinkProps) {
  return (
    <button
      type="button"
      className={styles.rowButton}
      title={`Show ${name} in the graph`}
      onClick={() => studio.getState().showInGraph(output)}
    >
      {name}
    </button>
  );
}
