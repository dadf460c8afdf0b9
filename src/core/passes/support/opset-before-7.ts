/** What changed with opset 7, whose broadcasting is NumPy's. */
import { intAttr } from '../../ir/attributes.ts';
import { constantInput } from './constants.ts';
import { rankOf } from './facts.ts';
import type { Adapter } from './opset-changes.ts';

/**
 * Before 7 the second operand was broadcast only where `broadcast` said so, and from `axis` of the first on; without an
 * axis its last axes met the last ones of the first, which is how it has been ever since.
 */
export const oldBroadcast: Adapter = ({ node, editor, facts }) => {
  const axis = intAttr(node, 'broadcast', 0) === 1 ? intAttr(node, 'axis') : undefined;
  const [a, b] = node.inputs.map((name) => rankOf(facts(name)));
  const drop = () => {
    for (const name of ['axis', 'broadcast']) node.attributes.delete(name);
  };
  if (axis === undefined) return { edit: drop };
  if (a === undefined || b === undefined) return { refusal: `the ranks of what ${node.opType} broadcasts are unknown` };
  const behind = a - b - (axis < 0 ? axis + a : axis);
  const constant = constantInput(editor, node, 1);
  if (behind === 0) return { edit: drop };
  if (!constant || behind < 0) return { refusal: `${node.opType} broadcasts a computed value along axis ${axis}` };
  return {
    edit: () => {
      drop();
      const dims = [...constant.dims, ...new Array<number>(behind).fill(1)];
      const name = editor.addInitializer({ ...constant, name: `${node.inputs[1]}.aligned`, dims });
      editor.setInputs(node, node.inputs.with(1, name));
    },
  };
};

/** Whether C is broadcast went without saying from 7 on; one that was not has the shape of the result. */
export const oldGemm: Adapter = ({ node }) => ({ edit: () => void node.attributes.delete('broadcast') });
