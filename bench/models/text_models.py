"""Text, speech and other transformers models: hidden size 64, two layers, several heads, grouped key-value heads where the
family has them. `entries(attention)` gives builders by name; attention is 'eager' or 'sdpa'."""

import torch
from example import ByName, Embedder, Example, WithCache, mask, seeded, tokens

TEXT_AXES = {"input_ids": {0: "batch", 1: "sequence"}, "attention_mask": {0: "batch", 1: "sequence"}}


def small(**more):
    sizes = dict(vocab_size=256, hidden_size=64, num_hidden_layers=2, num_attention_heads=4, intermediate_size=128, max_position_embeddings=64)
    return {**sizes, **more}


def text(config, auto, model_type, attention, **fixed):
    model = auto.from_config(config, attn_implementation=attention)
    inputs = {"input_ids": tokens(), "attention_mask": mask()}
    return Example(ByName(model, list(inputs), **fixed), inputs, TEXT_AXES, model_type)


def cached(config, model_type, attention):
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_config(config, attn_implementation=attention)
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    inputs = {
        "input_ids": tokens(length=3),
        "attention_mask": torch.ones(2, 8, dtype=torch.int64),
        "position_ids": torch.arange(5, 8).repeat(2, 1),
    }
    dynamic = {
        "input_ids": {0: "batch", 1: "sequence"},
        "attention_mask": {0: "batch", 1: "total"},
        "position_ids": {0: "batch", 1: "sequence"},
    }
    generator = seeded(3)
    for i in range(config.num_hidden_layers):
        for kind in ("key", "value"):
            name = f"past_key_values.{i}.{kind}"
            inputs[name] = torch.randn(2, heads, 5, size, generator=generator)
            dynamic[name] = {0: "batch", 2: "past"}
    return Example(WithCache(model, config.num_hidden_layers), inputs, dynamic, model_type)


def entries(attention):
    import transformers as t

    causal = t.AutoModelForCausalLM
    found = {}

    def encoder(name, make, **fixed):
        found[name] = lambda: text(make(), t.AutoModel, "bert", attention, **fixed)

    def decoder(name, make, model_type="gpt2", cache=False, attention=attention):
        found[name] = lambda: text(make(), causal, model_type, attention, use_cache=False)
        if cache:
            found[f"{name}-cache"] = lambda: cached(make(), model_type, attention)

    encoder("bert", lambda: t.BertConfig(**small()))
    found["bert-embedder"] = lambda: Example(
        Embedder(t.AutoModel.from_config(t.BertConfig(**small()), attn_implementation=attention)),
        {"input_ids": tokens(), "attention_mask": mask()}, TEXT_AXES, "bert",
    )
    found["bert-classifier"] = lambda: text(t.BertConfig(**small()), t.AutoModelForSequenceClassification, "bert", attention)
    encoder("distilbert", lambda: t.DistilBertConfig(vocab_size=256, dim=64, n_layers=2, n_heads=4, hidden_dim=128, max_position_embeddings=64))
    encoder("roberta", lambda: t.RobertaConfig(**small(pad_token_id=1)))
    encoder("albert", lambda: t.AlbertConfig(**small(embedding_size=32)))
    found["deberta-v2"] = lambda: text(
        t.DebertaV2Config(**small(relative_attention=True, pos_att_type=["p2c", "c2p"], position_buckets=16, norm_rel_ebd="layer_norm", share_att_key=True)),
        t.AutoModel, "bert", "eager",
    )
    encoder("modernbert", lambda: t.ModernBertConfig(**small(pad_token_id=0, global_attn_every_n_layers=2, local_attention=8)))
    decoder("gpt2", lambda: t.GPT2Config(vocab_size=256, n_embd=64, n_layer=2, n_head=4, n_positions=64), cache=True)
    decoder("gpt-neox", lambda: t.GPTNeoXConfig(**small(rotary_pct=0.25)), "gpt_neox")
    decoder("gptj", lambda: t.GPTJConfig(vocab_size=256, n_embd=64, n_layer=2, n_head=4, n_positions=64, rotary_dim=8), attention="eager")
    decoder("bloom", lambda: t.BloomConfig(vocab_size=256, hidden_size=64, n_layer=2, n_head=4), attention="eager")
    decoder("opt", lambda: t.OPTConfig(vocab_size=256, hidden_size=64, num_hidden_layers=2, num_attention_heads=4, ffn_dim=128, max_position_embeddings=64, word_embed_proj_dim=64))
    decoder("llama", lambda: t.LlamaConfig(**small(num_key_value_heads=2)), cache=True)
    decoder("mistral", lambda: t.MistralConfig(**small(num_key_value_heads=2, sliding_window=None)))
    decoder("qwen2", lambda: t.Qwen2Config(**small(num_key_value_heads=2)), cache=True)
    decoder("qwen3", lambda: t.Qwen3Config(**small(num_key_value_heads=2, head_dim=16)), "qwen3", cache=True)
    gemma = dict(num_key_value_heads=2, head_dim=16, query_pre_attn_scalar=16, sliding_window=8)
    decoder("gemma2", lambda: t.Gemma2Config(**small(**gemma)))
    decoder("gemma3", lambda: t.Gemma3TextConfig(**small(**gemma)))
    decoder("phi", lambda: t.PhiConfig(**small(partial_rotary_factor=0.5)), "phi")
    decoder("phi3", lambda: t.Phi3Config(**small(num_key_value_heads=2, pad_token_id=0)), "phi")
    found.update(encoder_decoders(attention))
    return found


def encoder_decoders(attention):
    import transformers as t

    def encoder_of(model, names, inputs, axes, model_type):
        return Example(ByName(model, names), inputs, axes, model_type)

    def decoder_of(model, source_length, model_type):
        source = torch.randn(2, source_length, 64, generator=seeded(4))
        inputs = {"input_ids": tokens(length=5), "attention_mask": mask(length=5), "encoder_hidden_states": source}
        axes = {**TEXT_AXES, "encoder_hidden_states": {0: "batch", 1: "source"}}
        return Example(ByName(model, list(inputs), use_cache=False), inputs, axes, model_type)

    def text_inputs():
        return {"input_ids": tokens(), "attention_mask": mask()}

    def t5():
        return t.T5ForConditionalGeneration(t.T5Config(vocab_size=256, d_model=64, d_kv=16, d_ff=128, num_layers=2, num_heads=4, decoder_start_token_id=0))

    halves = dict(vocab_size=256, d_model=64, encoder_layers=2, decoder_layers=2, encoder_attention_heads=4, decoder_attention_heads=4, encoder_ffn_dim=128, decoder_ffn_dim=128)

    def bart():
        return t.BartModel._from_config(t.BartConfig(**halves, max_position_embeddings=64), attn_implementation=attention)

    def whisper():
        tokens_used = dict(pad_token_id=0, bos_token_id=1, eos_token_id=2, decoder_start_token_id=3)
        config = t.WhisperConfig(**halves, num_mel_bins=16, max_source_positions=32, max_target_positions=32, **tokens_used)
        return t.WhisperModel._from_config(config, attn_implementation=attention)

    def wav2vec2():
        sizes = dict(conv_dim=[32, 32], conv_stride=[5, 2], conv_kernel=[10, 3], num_feat_extract_layers=2, num_conv_pos_embeddings=16, num_conv_pos_embedding_groups=4)
        plain = {key: value for key, value in small().items() if key != "max_position_embeddings"}
        model = t.Wav2Vec2Model._from_config(t.Wav2Vec2Config(**plain, **sizes), attn_implementation=attention)
        samples = {"input_values": torch.randn(2, 800, generator=seeded(7))}
        return Example(ByName(model, list(samples)), samples, {"input_values": {0: "batch", 1: "samples"}}, "bert")

    def whisper_encoder():
        features = {"input_features": torch.randn(2, 16, 64, generator=seeded(5))}
        return Example(ByName(whisper().encoder, list(features)), features, {"input_features": {0: "batch"}}, "bart")

    return {
        "t5-encoder": lambda: encoder_of(t5().encoder, ["input_ids", "attention_mask"], text_inputs(), TEXT_AXES, "t5"),
        "t5-decoder": lambda: decoder_of(t5().decoder, 12, "t5"),
        "bart-encoder": lambda: encoder_of(bart().encoder, ["input_ids", "attention_mask"], text_inputs(), TEXT_AXES, "bart"),
        "bart-decoder": lambda: decoder_of(bart().decoder, 12, "bart"),
        "whisper-encoder": whisper_encoder,
        "whisper-decoder": lambda: decoder_of(whisper().decoder, 32, "bart"),
        "wav2vec2": wav2vec2,
    }
