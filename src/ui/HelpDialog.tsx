import { studio } from '../state/store.ts';
import { useStudio } from '../state/use-studio.ts';
import styles from './app.module.css';
import { shownKeys } from './commands/command.ts';
import { Button } from './components/Button.tsx';
import controls from './components/controls.module.css';
import { Modal } from './components/Modal.tsx';
import { shortcuts } from './keys.ts';

export default function HelpDialog() {
  const open = useStudio((state) => state.panel === 'help');
  return (
    <Modal open={open} onClose={() => studio.getState().openPanel(null)} title="Help" toRead>
      <div className={styles.help}>
        <p>
          Drop an ONNX model. Add variants, switch steps on and off in their recipes, press <strong>Run all</strong>:
          every variant is built and run here, in this browser, on your data, and the gate says which still hold.
        </p>
        <table>
          <caption className="visually-hidden">Keyboard shortcuts</caption>
          <tbody>
            {shortcuts.map(({ keys, does }) => (
              <tr key={does}>
                <th scope="row">
                  {shownKeys(keys).map((key) => (
                    <kbd key={key} className={controls.kbd}>
                      {key}
                    </kbd>
                  ))}
                </th>
                <td>{does}</td>
              </tr>
            ))}
          </tbody>
        </table>
        <h3>On the graph</h3>
        <p>
          Drag or scroll to move, Ctrl and scroll or two fingers to zoom. Arrow keys walk along the edges (with Shift
          they move the picture), Enter or a double click opens and closes groups and enters graphs inside nodes, Esc
          clears the selection, + − and 0 zoom, / finds. The list below the picture has everything in it.
        </p>
        <h3>What the figures mean</h3>
        <ul>
          <li>
            <strong>Latency</strong> covers copying inputs in, running, and reading outputs back. Variants take turns,
            so that drift of the machine hits all alike. Differences that a rank test cannot tell from chance are called
            “within noise”.
          </li>
          <li>
            <strong>Memory</strong>: weights are counted in the file; activations are predicted from the graph
            (hatched); the WASM heap and GPU buffers are measured in a fresh worker for each variant.
          </li>
          <li>
            <strong>Accuracy</strong> is the task’s own metric with its confidence interval, or agreement with the
            original where there are no labels. The gate judges the whole interval.
          </li>
        </ul>
        <p className={controls.hint}>
          Whittle {__WHITTLE_VERSION__}. Your model never leaves this device:{' '}
          <Button onClick={() => studio.getState().openPanel('about')}>About and privacy</Button>
        </p>
      </div>
    </Modal>
  );
}
