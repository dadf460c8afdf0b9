"""Vision models of transformers, timm and torchvision, narrow and shallow. `entries(attention)` gives builders by name."""

import torch
from example import ByName, Example, Plain, image, mask, seeded, tokens
from text_models import TEXT_AXES, small


def vision(model, model_type="vit", size=64):
    return Example(ByName(model, ["pixel_values"]), {"pixel_values": image(size=size)}, {"pixel_values": {0: "batch"}}, model_type)


def transformers_entries(attention):
    import transformers as t

    patches = dict(hidden_size=64, num_hidden_layers=2, num_attention_heads=4, intermediate_size=128, image_size=64, patch_size=16)

    def of(model, config, model_type="vit"):
        return lambda: vision(model._from_config(config(), attn_implementation=attention), model_type)

    def clip_text():
        inputs = {"input_ids": tokens(), "attention_mask": mask()}
        model = t.CLIPTextModel._from_config(t.CLIPTextConfig(**small()), attn_implementation=attention)
        return Example(ByName(model, list(inputs)), inputs, TEXT_AXES, "clip")

    def clip():
        text = {key: value for key, value in small().items()}
        config = t.CLIPConfig(text_config=text, vision_config=patches, projection_dim=32)
        inputs = {"input_ids": tokens(), "pixel_values": image(), "attention_mask": mask()}
        axes = {**TEXT_AXES, "pixel_values": {0: "images"}}
        model = t.CLIPModel._from_config(config, attn_implementation=attention)

        class Both(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.model = model

            def forward(self, input_ids, pixel_values, attention_mask):
                result = self.model(input_ids=input_ids, pixel_values=pixel_values, attention_mask=attention_mask)
                return result.logits_per_image, result.text_embeds, result.image_embeds

        return Example(Both(), inputs, axes, "clip")

    def sam_decoder():
        from transformers.models.sam.modeling_sam import SamMaskDecoder

        config = t.SamMaskDecoderConfig(hidden_size=32, mlp_dim=64, num_hidden_layers=2, num_attention_heads=4, iou_head_hidden_dim=32, iou_head_depth=2)
        config._attn_implementation = attention
        model = SamMaskDecoder(config)
        names = ["image_embeddings", "image_positional_embeddings", "sparse_prompt_embeddings", "dense_prompt_embeddings"]
        shapes = [(1, 32, 8, 8), (1, 32, 8, 8), (1, 1, 2, 32), (1, 32, 8, 8)]
        generator = seeded(8)
        inputs = {name: torch.randn(shape, generator=generator) for name, shape in zip(names, shapes)}
        return Example(ByName(model, names, multimask_output=True), inputs, {"sparse_prompt_embeddings": {2: "points"}}, "sam2")

    return {
        "clip": clip,
        "clip-text": clip_text,
        "clip-vision": of(t.CLIPVisionModel, lambda: t.CLIPVisionConfig(**patches), "clip"),
        "siglip-vision": of(t.SiglipVisionModel, lambda: t.SiglipVisionConfig(**patches), "clip"),
        "vit": of(t.ViTForImageClassification, lambda: t.ViTConfig(**patches, num_labels=10)),
        "deit": of(t.DeiTModel, lambda: t.DeiTConfig(**patches)),
        "beit": lambda: vision(t.BeitModel(t.BeitConfig(**patches, use_relative_position_bias=True))),
        "dinov2": of(t.Dinov2Model, lambda: t.Dinov2Config(hidden_size=64, num_hidden_layers=2, num_attention_heads=4, image_size=64, patch_size=16)),
        "swin": lambda: vision(t.SwinModel(t.SwinConfig(image_size=64, patch_size=4, embed_dim=32, depths=[2, 2], num_heads=[2, 4], window_size=4)), "swin"),
        "sam-vision": lambda: vision(t.SamVisionModel._from_config(t.SamVisionConfig(hidden_size=64, output_channels=32, num_hidden_layers=2, num_attention_heads=4, image_size=64, patch_size=16, window_size=2, global_attn_indexes=[1], num_pos_feats=16, mlp_dim=128), attn_implementation=attention)),
        "sam-decoder": sam_decoder,
        "segformer": lambda: vision(t.SegformerForSemanticSegmentation(t.SegformerConfig(num_encoder_blocks=2, depths=[2, 2], sr_ratios=[4, 2], hidden_sizes=[32, 64], patch_sizes=[7, 3], strides=[4, 2], num_attention_heads=[1, 2], mlp_ratios=[4, 4], decoder_hidden_size=32, num_labels=4))),
    }


def timm_entries():
    import timm
    from timm.models.ghostnet import GhostNet
    from timm.models.metaformer import MetaFormer
    from timm.models.mlp_mixer import MlpMixer
    from timm.models.regnet import RegNet, RegNetCfg

    def of(build, size=64):
        return lambda: Example(Plain(build()), {"x": image(size=size)}, {"x": {0: "batch"}}, None)

    def named(name, size=64, **more):
        return of(lambda: timm.create_model(name, pretrained=False, num_classes=10, **more), size)

    # kernel, expanded, out, squeeze-excitation, stride
    ghost_stages = [[[3, 16, 16, 0, 1]], [[3, 48, 24, 0, 2]], [[5, 72, 40, 0.25, 2]], [[3, 240, 80, 0, 2], [3, 184, 80, 0.25, 1]]]
    narrow = dict(depths=(1, 1, 2, 1), dims=(16, 24, 32, 48))
    return {
        "timm-resnet": named("resnet10t", channels=(16, 24, 32, 48)),
        "timm-seresnet": named("seresnet50", layers=(1, 1, 1, 1), channels=(8, 12, 16, 24)),
        "timm-mobilenetv3": named("mobilenetv3_small_050"),
        "timm-efficientnet": named("test_efficientnet"),
        "timm-convnext": named("convnext_atto", **narrow),
        "timm-edgenext": named("edgenext_xx_small", heads=(4, 4, 4, 4), **narrow),
        "timm-poolformer": of(lambda: MetaFormer(num_classes=10, **narrow)),
        "timm-nfnet": named("test_nfnet"),
        "timm-mambaout": named("test_mambaout"),
        "timm-vit": named("vit_tiny_patch16_224", img_size=64, embed_dim=64, depth=2, num_heads=4),
        "timm-eva02": named("eva02_tiny_patch14_224", size=56, img_size=56, embed_dim=64, depth=2, num_heads=4),
        "timm-mixer": of(lambda: MlpMixer(num_classes=10, img_size=64, patch_size=16, embed_dim=64, num_blocks=2)),
        "timm-swin": named("swin_tiny_patch4_window7_224", img_size=64, embed_dim=32, depths=(2, 2), num_heads=(2, 4), window_size=4),
        "timm-maxvit": named("test_vit3", size=160),
        "timm-regnet": of(lambda: RegNet(RegNetCfg(depth=9, w0=16, wa=16.0, wm=2.0, group_size=8), num_classes=10)),
        "timm-ghostnet": of(lambda: GhostNet(ghost_stages, num_classes=10, width=0.3)),
    }


def torchvision_entries():
    import torchvision.models as tv
    from torchvision.models import mobilenetv3, segmentation

    def of(build_model, size=64):
        return lambda: Example(Plain(build_model()), {"x": image(size=size)}, {"x": {0: "batch"}}, None)

    def mobilenet_v3():
        setting, last = mobilenetv3._mobilenet_v3_conf("mobilenet_v3_large", width_mult=0.25, reduced_tail=True)
        return mobilenetv3.MobileNetV3(setting, last, num_classes=10)

    def vision_transformer():
        torch.backends.mha.set_fastpath_enabled(False)  # TorchScript knows no name for its operator
        return tv.VisionTransformer(64, 16, 2, 4, 64, 128, num_classes=10)

    def lraspp():
        setting, last = mobilenetv3._mobilenet_v3_conf("mobilenet_v3_large", width_mult=0.25, dilated=True, reduced_tail=True)
        backbone = mobilenetv3.MobileNetV3(setting, last)
        return segmentation.lraspp._lraspp_mobilenetv3(backbone, 4)

    def deeplab():
        setting, last = mobilenetv3._mobilenet_v3_conf("mobilenet_v3_large", width_mult=0.25, dilated=True, reduced_tail=True)
        return segmentation.deeplabv3._deeplabv3_mobilenetv3(mobilenetv3.MobileNetV3(setting, last), 4, None)

    class Detections(torch.nn.Module):
        def __init__(self, model):
            super().__init__()
            self.model = model

        def forward(self, x):
            found = self.model([x[0]])[0]
            return found["boxes"], found["scores"], found["labels"]

    def ssdlite():
        model = tv.detection.ssdlite320_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=4)
        return Example(Detections(model), {"x": torch.rand(1, 3, 320, 320, generator=seeded(9))}, {}, None)

    return {
        "tv-mobilenet_v2": of(lambda: tv.mobilenet_v2(width_mult=0.25, num_classes=10)),
        "tv-mobilenet_v3": of(mobilenet_v3),
        "tv-squeezenet": of(lambda: tv.squeezenet1_1(num_classes=10)),
        "tv-shufflenet": of(lambda: tv.ShuffleNetV2([2, 2, 2], [24, 16, 32, 64, 128], num_classes=10)),
        "tv-googlenet": of(lambda: tv.googlenet(num_classes=10, aux_logits=False, init_weights=False)),
        "tv-densenet": of(lambda: tv.DenseNet(8, (2, 2, 2), 16, num_classes=10)),
        "tv-mnasnet": of(lambda: tv.MNASNet(0.25, num_classes=10)),
        "tv-efficientnet": of(lambda: tv.efficientnet.EfficientNet([tv.efficientnet.MBConvConfig(1, 3, 1, 16, 8, 1), tv.efficientnet.MBConvConfig(4, 3, 2, 8, 16, 2)], 0.1, num_classes=10, last_channel=64)),
        "tv-vit": of(vision_transformer),
        "tv-swin_v2": of(lambda: tv.SwinTransformer([4, 4], 32, [2, 2], [2, 4], [4, 4], num_classes=10, block=tv.swin_transformer.SwinTransformerBlockV2, downsample_layer=tv.swin_transformer.PatchMergingV2)),
        "tv-lraspp": of(lraspp),
        "tv-deeplabv3": of(deeplab),
        "tv-ssdlite": ssdlite,
    }


def entries(attention):
    return {**transformers_entries(attention), **timm_entries(), **torchvision_entries()}
