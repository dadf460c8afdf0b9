"""What the cards say in words; check.py adds the figures. Every model gets public/samples/<id>/card.json."""
import data

FASHION = {
    "task": "image classification, 10 classes",
    "licence": "model: the project's own licence; data: Fashion-MNIST, MIT (Zalando SE)",
    "data": "Fashion-MNIST, official split: trained on the 60,000 training images, scored on all 10,000 test images; "
            "1,024 training images for calibration",
    "input": {"name": "input", "shape": ["batch", 1, 28, 28], "dtype": "float32",
              "from": "uint8 pixel p", "normalisation": "(p / 255 - mean) / std",
              "mean": data.FASHION_MEAN, "std": data.FASHION_STD},
    "classes": data.FASHION_CLASSES,
    "evaluation": {"images": "../fashion-data/test-images.bin.gz", "labels": "../fashion-data/test-labels.bin.gz",
                   "calibration_images": "../fashion-data/calib-images.bin.gz",
                   "calibration_labels": "../fashion-data/calib-labels.bin.gz"},
}
PROSE = {
    "licence": "model: the project's own licence; training texts: public domain",
    "data": "Trained on five novels by Jane Austen, The Treasury of David (C. H. Spurgeon) and the World English Bible, "
            "20 million characters, 40 / 35 / 25 % of every batch. Persuasion is held out: evaluation only. The end of "
            "Sense and Sensibility chose the checkpoint. All texts alike: plain ASCII, one paragraph a line.",
    "input": {"input_ids": "int64 [batch, sequence]", "attention_mask": "int64 [batch, past_sequence + sequence]",
              "past_key_values.N.key / .value": "float32 [batch, kv_heads, past_sequence, head_dim], empty to begin with",
              "tokenizer": "../lm-data/tokenizer.json (byte-level BPE, 1,024 tokens)",
              "positions": "counted inside the graph from attention_mask, so left padding works"},
    "evaluation": {"ids": "../lm-data/persuasion-eval.ids.bin.gz", "text": "../lm-data/persuasion-eval.txt.gz",
                   "windows": "../lm-data/windows.json", "calibration_ids": "../lm-data/calib.ids.bin.gz"},
    "task": "next-token prediction (language model)",
}
CARDS = {
    "fashion-resnet": FASHION | {
        "title": "Fashion ResNet", "story": "A residual net with its BatchNorms still apart: watch them fold into the convolutions for free.",
        "architecture": "3 x 3 stem, five residual blocks (24, 48, 96 channels), global pooling; BatchNorm not folded in the file",
        "what_to_try": ["Fuse BatchNorm into Conv: fewer nodes, the same top-1", "INT8 per tensor against per channel: both hold here",
                        "INT4 weights: where it starts to give way"]},
    "fashion-mobile": FASHION | {
        "title": "Fashion MobileNet", "story": "Depthwise kernels of very different sizes: one scale per tensor ruins it, one per channel does not.",
        "architecture": "MobileNet-v1 in small: seven depthwise-separable blocks, ReLU, BatchNorm folded in the file",
        "honesty": "Trained plainly. At export the BatchNorms were folded and the channels between each of them and the next "
                   "depthwise kernel rescaled by 1, 2 or (one a layer) 1/64, the kernel by the inverse: the same function, "
                   "with ranges as unequal as in MobileNets trained on large data sets. Cross-layer equalization undoes it.",
        "what_to_try": ["INT8 weights per tensor, then per channel", "Cross-layer equalization before per-tensor INT8",
                        "The sensitivity view: which kernels do the damage"]},
    "fashion-vit": FASHION | {
        "title": "Fashion ViT", "story": "A vision transformer in elementary operators: LayerNorm, GELU and attention wait to be fused.",
        "architecture": "49 patches of 4 x 4, six pre-norm blocks of width 128 with 4 heads, mean of tokens; LayerNorm, GELU (erf) and attention decomposed",
        "what_to_try": ["Fuse LayerNorm, GELU and attention: count the nodes before and after", "INT8 dynamic on MatMul", "INT4 weights in blocks of 32"]},
    "lm-target": PROSE | {
        "title": "Austen LM", "story": "A small Llama that has read Austen: see what each bit costs on a novel it has never seen.",
        "architecture": "Llama-like: 5 layers, width 384, 6 query heads over 2 key-value heads, SwiGLU 896, RMSNorm, rotary positions, head not tied",
        "what_to_try": ["INT4 in blocks: RTN against GPTQ", "Speculative decoding with lm-draft", "Quantize the KV cache"]},
    "lm-draft": PROSE | {
        "title": "Austen LM, draft", "story": "A fourteenth of lm-target's size: the model that guesses while lm-target checks.",
        "architecture": "Llama-like: 2 layers, width 128, 4 query heads over 2 key-value heads, SwiGLU 256",
        "what_to_try": ["Draft for lm-target: acceptance by number of guessed tokens", "INT4 on a model this small hurts more"]},
    "lm-gpt2": PROSE | {
        "title": "Austen LM, GPT-2 style", "story": "The other family: LayerNorm, learned positions, fused QKV as Gemm, GELU by tanh.",
        "architecture": "GPT-2-like: 5 layers, width 192, 6 heads, at most 512 positions; LayerNorm, GELU (tanh) and attention decomposed, linear layers as Gemm",
        "what_to_try": ["Weight-only INT4: converters that know MatMul alone skip its Gemms", "Fuse LayerNorm and GELU"]},
    "lm-outlier": PROSE | {
        "title": "Austen LM with outliers", "story": "The same function as lm-target, but with outlier channels as in large models: here AWQ and SmoothQuant earn their keep.",
        "architecture": "lm-target after rescale.json: no weights of its own. In every layer, the 4 channels that carry most between each norm (and up_proj) "
                        "and the linear layers that read it are scaled up by 8 to 64 and the reading weights scaled down by the same power of two",
        "what_to_try": ["INT4 RTN here and on lm-target: same function, different loss", "AWQ and SmoothQuant: how much they win back",
                        "INT8 activations per tensor"],
        "honesty": "The outliers are made, not learnt: large language models have outlier channels, lm-target has none (its card: "
                   "the largest channel is at most 3.6 times the median one; single activations can be large). "
                   "The rescaling keeps the function exactly."},
    "tagger": {
        "title": "Part-of-speech tagger", "story": "A BERT-like encoder that tags English words: a token-level task for an encoder.",
        "task": "part-of-speech tagging (token classification)",
        "licence": "model: the project's own licence; Brown corpus: distributed with the permission of the copyright holder, "
                   "redistribution permitted; only a small slice of it is here",
        "data": "Brown corpus, base tags (marks for foreign words, titles, headlines and citations removed), split by file: "
                "of every ten files eight train, one is for development, one for test",
        "architecture": "BERT-like post-norm encoder: 3 layers, width 128, 4 heads, 128 positions; LayerNorm as one operator, GELU (erf)",
        "input": {"input_ids": "int64 [batch, sequence]", "attention_mask": "int64 [batch, sequence]", "max_sequence": 128,
                  "vocabulary": "vocab.json: greedy longest-match word pieces; a word's tag is that of its first piece"},
        "evaluation": {"sentences": "eval.json.gz", "calibration": "calib.json.gz", "vocabulary": "vocab.json"},
        "what_to_try": ["INT8 dynamic quantization", "Quantize the embedding table too: it is two fifths of the weights", "Skip-LayerNorm fusion"]},
}
BARS = {"fashion-resnet": ("top1", 0.935), "fashion-mobile": ("top1", 0.92), "fashion-vit": ("top1", 0.91)}
