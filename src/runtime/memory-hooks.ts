/**
 * Counts what a runtime allocates: WebAssembly memories and GPU buffers. Call `installMemoryHooks` before the runtime
 * is imported, in a worker of its own, so that nothing but the runtime is counted.
 */

export interface MemoryHooks {
  /** Sum of the sizes of all WebAssembly memories. They never shrink, so this is their peak. */
  wasmHeapBytes(): number;
  /** null where the host has no WebGPU or no GPU device was made. */
  gpuPeakBytes(): number | null;
  gpuLiveBytes(): number | null;
  /** Takes the errors that the GPU raised outside any call (validation, out of memory) since it was last asked. */
  takeGpuErrors(): readonly string[];
}

let installed: MemoryHooks | undefined;

export function installMemoryHooks(): MemoryHooks {
  installed ??= { ...hookWasmMemory(), ...hookGpuBuffers() };
  return installed;
}

function hookWasmMemory(): Pick<MemoryHooks, 'wasmHeapBytes'> {
  const memories: WebAssembly.Memory[] = [];
  const Original = WebAssembly.Memory;
  WebAssembly.Memory = new Proxy(Original, {
    construct(target, args: [WebAssembly.MemoryDescriptor], newTarget) {
      const memory = Reflect.construct(target, args, newTarget) as WebAssembly.Memory;
      memories.push(memory);
      return memory;
    },
  });
  return { wasmHeapBytes: () => memories.reduce((sum, memory) => sum + memory.buffer.byteLength, 0) };
}

function hookGpuBuffers(): Omit<MemoryHooks, 'wasmHeapBytes'> {
  let live = 0;
  let peak = 0;
  let devices = 0;
  const errors: string[] = [];
  const none = { gpuPeakBytes: () => null, gpuLiveBytes: () => null, takeGpuErrors: () => [] };
  if (typeof GPUDevice === 'undefined') return none;

  const sizes = new WeakMap<GPUBuffer, number>();
  const createBuffer = GPUDevice.prototype.createBuffer;
  GPUDevice.prototype.createBuffer = function (descriptor) {
    const buffer = createBuffer.call(this, descriptor);
    sizes.set(buffer, descriptor.size);
    live += descriptor.size;
    peak = Math.max(peak, live);
    return buffer;
  };
  const destroy = GPUBuffer.prototype.destroy;
  GPUBuffer.prototype.destroy = function () {
    live -= sizes.get(this) ?? 0;
    // A second destroy() is legal and frees nothing.
    sizes.delete(this);
    return destroy.call(this);
  };
  const requestDevice = GPUAdapter.prototype.requestDevice;
  GPUAdapter.prototype.requestDevice = async function (descriptor) {
    const device = await requestDevice.call(this, descriptor);
    devices += 1;
    device.addEventListener('uncapturederror', (event) =>
      errors.push((event as GPUUncapturedErrorEvent).error.message),
    );
    void device.lost.then((info) => {
      if (info.reason !== 'destroyed') errors.push(`device lost: ${info.message}`);
    });
    return device;
  };
  return {
    gpuPeakBytes: () => (devices === 0 ? null : peak),
    gpuLiveBytes: () => (devices === 0 ? null : live),
    takeGpuErrors: () => errors.splice(0),
  };
}
