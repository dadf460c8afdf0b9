import { studio } from '../../state/store.ts';
import styles from './details.module.css';

interface NodeLinkProps {
  /** Of a node, or of a value that it makes. */
  readonly name: string;
  /** Whose graph has it. */
  readonly variantId: string;
}

/** A name that leads to the graph. */
export function NodeLink({ name, variantId }: NodeLinkProps) {
  const show = () => {
    studio.getState().selectVariant(variantId);
    studio.getState().showInGraph(name);
  };
  return (
    <button type="button" className={styles.link} title={`Show ${name} in the graph`} onClick={show}>
      {name}
    </button>
  );
}
