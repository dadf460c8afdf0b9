/** Quantizes one embedding table after the other, with the output layers that share it. */

import { makeNode } from '../../ir/build.ts';
import { tensorByteLength } from '../../ir/tensor.ts';
import type { StepContext } from '../../step/define.ts';
import { type EmbeddingTable, tiedHeads } from './embedding-sites.ts';
import { flatCodes, replaceGather, zeroPointsFitWebgpu } from './gather-block-quantized.ts';
import { replaceLinear } from './linear-rewrite.ts';
import type { LinearSite } from './linear-sites.ts';
import { replaceWithMatMulNBits, storeNBits } from './matmul-nbits.ts';
import { quantizeMatrix } from './nbits-matrix.ts';
import type { NBitsMatrix } from './nbits-store.ts';
import { nodeLabel } from './patterns.ts';
import type { Scope } from './scopes.ts';
import { StoredTable, toQdqTable } from './table-qdq.ts';
import { type SharedCodes, TiedCodes } from './tied-codes.ts';

export interface EmbeddingSettings {
  readonly bits: 4 | 8;
  readonly blockSize: number;
  readonly symmetric: boolean;
  readonly form: 'gather-block-quantized' | 'qdq';
  readonly tied: 'share' | 'leave';
}

export class EmbeddingQuantizer {
  /** Values that held float tables and may now be unused. */
  readonly replaced: { scope: Scope; value: string }[] = [];
  usesContribOps = false;
  readonly #tied: TiedCodes;
  readonly #done: EmbeddingTable[] = [];

  constructor(
    readonly ctx: StepContext,
    scopes: readonly Scope[],
    readonly sites: readonly LinearSite[],
    readonly settings: EmbeddingSettings,
  ) {
    this.#tied = new TiedCodes(ctx.original, scopes);
  }

  /** @returns in a few words what was done with the table */
  async quantize(table: EmbeddingTable): Promise<string> {
    const { form, tied } = this.settings;
    const heads = tiedHeads(table, this.sites);
    if (heads.length > 0 && tied === 'leave') {
      this.#advise(
        'quant/tied-left',
        `Table "${table.source.valueName}" stays as it is: an output layer reads it too.`,
      );
      return 'left: tied';
    }
    const shared = await this.#tied.codesFor(table);
    if (shared && form === 'gather-block-quantized' && this.#canShare(shared, table)) return this.#share(table, shared);
    if (shared)
      this.#advise(
        'quant/tied-stored-twice',
        `Table "${table.source.valueName}" and the output layer that was tied to it are stored separately: the layer's codes are in another form.`,
      );
    this.#done.push(table);
    const matrix = await this.#quantized(table);
    return form === 'qdq' ? this.#replaceByQdq(table, heads, matrix) : this.#replaceByBlocks(table, heads, matrix);
  }

  /** Other readers keep the original in the file: worth knowing. */
  adviseKept(): void {
    for (const { source } of this.#done) {
      const { editor, graph } = source.scope;
      if (graph.initializers.has(source.valueName) || editor.producerOf(source.valueName))
        this.#advise(
          'quant/weight-also-kept',
          `Table "${source.valueName}" (${tensorByteLength(source.tensor)} bytes) is also read by nodes that were not quantized, so its original stays in the file.`,
        );
    }
  }

  #canShare({ zeroPoints, bits, blockSize }: SharedCodes, { columns }: EmbeddingTable): boolean {
    return zeroPoints === undefined || zeroPointsFitWebgpu(columns, bits, blockSize);
  }

  #share(table: EmbeddingTable, shared: SharedCodes): string {
    const rows = flatCodes(shared, table);
    this.#replaceGathers(table, shared, rows);
    this.#done.push(table);
    if (shared.bits !== this.settings.bits || shared.blockSize !== this.settings.blockSize)
      this.#advise(
        'quant/tied-shares-codes',
        `Table "${table.source.valueName}" is tied to an output layer, so it uses that layer's codes: ${shared.bits} bits in blocks of ${shared.blockSize}.`,
      );
    return `shares the ${shared.bits}-bit codes of its output layer`;
  }

  #quantized({ source, rows, columns }: EmbeddingTable): Promise<NBitsMatrix> {
    const { tensor, valueName: name } = source;
    const { bits, blockSize, form } = this.settings;
    let { symmetric } = this.settings;
    if (!symmetric && form !== 'qdq' && !zeroPointsFitWebgpu(columns, bits, blockSize)) {
      symmetric = true;
      this.#advise(
        'quant/symmetric-instead',
        `Table "${name}" is quantized symmetrically: a row has an odd number of blocks of ${blockSize}, whose zero points WebGPU cannot read.`,
      );
    }
    const scaleType = tensor.dtype as 'float32' | 'float16';
    return quantizeMatrix(this.ctx, {
      tensor,
      name,
      K: columns,
      N: rows,
      order: 'rows',
      bits,
      blockSize,
      symmetric,
      scaleType,
    });
  }

  #replaceByBlocks(table: EmbeddingTable, heads: readonly LinearSite[], matrix: NBitsMatrix): string {
    const { scope } = table.source;
    if (heads.length === 0) {
      const { packed, scales, zeroPoints } = matrix;
      const rowBytes = tensorByteLength(packed) / table.rows;
      const rows = scope.editor.addInitializer({ ...packed, dims: [table.rows, rowBytes] });
      const names = [scales, zeroPoints].map((tensor) => tensor && scope.editor.addInitializer(tensor));
      const { bits, blockSize } = this.settings;
      this.#replaceGathers(table, { bits, blockSize, scales: names[0]!, zeroPoints: names[1] }, rows);
      return `${bits} bits`;
    }
    const stored = storeNBits(scope, matrix);
    const codes = { ...stored, scope, bits: this.settings.bits, blockSize: this.settings.blockSize };
    this.#replaceGathers(table, codes, flatCodes(codes, table));
    for (const head of heads) {
      const action = `quantized ${head.opType} weights to ${this.settings.bits} bits, shared with an embedding`;
      this.ctx.ledger.record(action, [nodeLabel(head.node)], replaceWithMatMulNBits(head, stored, 0));
      this.replaced.push({ scope: head.scope, value: head.weightValue });
    }
    return `${this.settings.bits} bits, shared with ${heads.length} output layer${heads.length === 1 ? '' : 's'}`;
  }

  #replaceGathers(table: EmbeddingTable, codes: Parameters<typeof replaceGather>[2], rows: string): void {
    this.usesContribOps = true;
    for (const site of table.gathers) {
      const value = site.node.inputs[0]!;
      const labels = replaceGather(site, table, codes, rows);
      this.ctx.ledger.record(`stored an embedding in ${codes.bits} bits`, [nodeLabel(site.node)], labels);
      this.replaced.push({ scope: site.scope, value });
    }
  }

  async #replaceByQdq(table: EmbeddingTable, heads: readonly LinearSite[], matrix: NBitsMatrix): Promise<string> {
    const { bits } = this.settings;
    const { source } = table;
    const stored = new StoredTable(source.scope, await toQdqTable(this.ctx, matrix, source.valueName));
    for (const { scope, node, indices } of table.gathers) {
      this.replaced.push({ scope, value: node.inputs[0]! });
      scope.editor.setInputs(node, [stored.rows, indices]);
      this.ctx.ledger.record(`stored an embedding in ${bits} bits`, [nodeLabel(node)], [nodeLabel(node)]);
    }
    for (const head of heads) {
      this.replaced.push({ scope: head.scope, value: head.weightValue });
      const labels = replaceLinear(head, (activation, output) => [
        makeNode({
          opType: 'MatMul',
          name: head.scope.editor.freshName(`${nodeLabel(head.node)}_dequantized`),
          inputs: [activation, stored.transposed()],
          outputs: [output],
        }),
      ]);
      this.ctx.ledger.record(
        `quantized ${head.opType} weights to ${bits} bits, shared with an embedding`,
        [nodeLabel(head.node)],
        labels,
      );
    }
    return `${bits} bits behind DequantizeLinear${heads.length > 0 ? ', shared with an output layer' : ''}`;
  }

  #advise(code: string, message: string): void {
    this.ctx.advise({ level: 'info', code, message });
  }
}
