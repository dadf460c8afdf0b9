"""Writes ONNX files with everything that onnx.proto allows, by means of the onnx package (1.12 or newer).

Fields newer than the package are merged in as raw wire bytes. Usage: make_exotic.py FOLDER
"""
import pathlib
import sys

import numpy as np
import onnx
from onnx import AttributeProto, TensorProto, helper

folder = pathlib.Path(sys.argv[1])


def varint(value):
    value &= (1 << 64) - 1
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def field(number, wire, payload):
    return varint(number << 3 | wire) + payload


def text(number, value):
    return field(number, 2, varint(len(value)) + value)


def with_raw(message, raw):
    """A message of the same type with more fields, known to the package or not."""
    out = type(message)()
    out.ParseFromString(message.SerializeToString() + raw)
    return out


entry = text(1, b'key') + text(2, b'value')
# The package keeps fields that it does not know in the order of the file and compares them so; therefore they are put
# in the order in which Whittle writes: what it does not know either, then the others by number.
unknown = (
    field(90, 0, varint(12345678901234))
    + field(91, 1, b'12345678')
    + text(92, b'anything \xff')
    + field(93, 5, b'1234')
    + field(94, 3, b'') + field(1, 0, b'\x05') + field(2, 3, b'') + text(7, b'x') + field(2, 4, b'') + field(94, 4, b'')
)


def tensor(name, data_type, dims, raw_type_field=None, **fields):
    out = TensorProto(name=name, dims=dims, data_type=data_type if raw_type_field is None else 1, **fields)
    if raw_type_field is not None:
        out.ClearField('data_type')
        out = with_raw(out, field(2, 0, varint(raw_type_field)))
    return out


def all_tensors():
    big = 3000
    yield tensor('float_raw', 1, [2, 3], raw_data=np.arange(6, dtype='<f4').tobytes())
    yield tensor('float_raw_big', 1, [big], raw_data=np.arange(big, dtype='<f4').tobytes())
    yield tensor('float_typed', 1, [3], float_data=[1.5, -2.0, float('nan')])
    yield tensor('float_typed_big', 1, [big], float_data=np.arange(big, dtype='f4'))
    yield tensor('double_typed', 11, [2], double_data=[1e300, -0.0])
    yield tensor('double_typed_big', 11, [big], double_data=np.arange(big, dtype='f8'))
    yield tensor('int32_typed', 6, [3], int32_data=[-1, 0, 2147483647])
    yield tensor('int32_typed_big', 6, [big], int32_data=range(-1500, 1500))
    yield tensor('int8_typed', 3, [3], int32_data=[-128, 0, 127])
    yield tensor('uint8_typed', 2, [2], int32_data=[255, 1])
    yield tensor('bool_typed', 9, [2], int32_data=[1, 0])
    yield tensor('half_typed', 10, [2], int32_data=[0x3C00, 0xC000])
    yield tensor('half_typed_big', 10, [big], int32_data=[0x3C00] * big)
    yield tensor('bfloat16_typed', 16, [1], int32_data=[0x3F80])
    yield tensor('int16_typed', 5, [1], int32_data=[-3])
    yield tensor('uint16_typed', 4, [1], int32_data=[65535])
    yield tensor('int64_typed', 7, [3], int64_data=[-(2**63), 0, 2**63 - 1])
    yield tensor('int64_typed_big', 7, [big], int64_data=range(big))
    yield tensor('uint32_typed', 12, [1], uint64_data=[2**32 - 1])
    yield tensor('uint64_typed', 13, [1], uint64_data=[2**64 - 1])
    yield tensor('complex64_typed', 14, [2], float_data=[1, 2, 3, 4])
    yield tensor('complex128_typed', 15, [1], double_data=[1, 2])
    yield tensor('strings', 8, [2], string_data=[b'one', b'\xff\xfe not utf-8'])
    yield tensor('scalar', 1, [], raw_data=b'\0\0\x80?')
    yield tensor('empty', 1, [0])
    yield tensor('empty_raw', 1, [0, 5], raw_data=b'')
    yield tensor('documented', 2, [1], raw_data=b'x', doc_string='what for')
    yield tensor('not_external', 2, [1], raw_data=b'x', data_location=0)
    # float8 and types below 8 bits, unknown to onnx 1.12.
    for number in (17, 18, 19, 20, 24):
        yield tensor(f'float8_{number}', 0, [3], number, raw_data=b'\x38\x40\xc0')
    for number in (21, 22, 23):
        yield tensor(f'four_bits_{number}', 0, [3], number, raw_data=b'\x21\x03')
        yield tensor(f'four_bits_typed_{number}', 0, [3], number, int32_data=[0x21, 0x03])
    for number in (25, 26):
        yield tensor(f'two_bits_{number}', 0, [5], number, raw_data=b'\x39\x01')
    yield with_raw(tensor('extras', 2, [1], raw_data=b'x'), unknown + text(16, entry))
    segment = tensor('segment', 2, [1], raw_data=b'x')
    segment.segment.begin = 0
    segment.segment.end = 1
    yield segment


def sparse():
    return onnx.SparseTensorProto(
        values=tensor('sparse', 1, [2], float_data=[1, 2]), indices=tensor('', 7, [2], int64_data=[3, 5]), dims=[9]
    )


def subgraph(depth):
    nodes = [helper.make_node('Identity', ['x'], [f'y{depth}'])]
    if depth > 0:
        nodes.append(helper.make_node('If', ['c'], [f'z{depth}'], then_branch=subgraph(depth - 1), else_branch=subgraph(0)))
    return helper.make_graph(
        nodes, f'inner {depth}', [], [helper.make_tensor_value_info(f'y{depth}', 1, None)], [tensor(f'w{depth}', 1, [1], float_data=[1])]
    )


def attributes():
    # Comes first because such attributes are written back before all others.
    yield with_raw(AttributeProto(name='from the future'), field(20, 0, varint(77)) + text(80, b'value'))
    yield helper.make_attribute('f', 1.5)
    yield helper.make_attribute('zero', 0.0)
    yield helper.make_attribute('i', -(2**63))
    yield helper.make_attribute('s', b'\xff bytes')
    yield helper.make_attribute('empty_string', '')
    yield helper.make_attribute('t', tensor('t', 1, [2000], raw_data=bytes(8000)))
    yield helper.make_attribute('g', subgraph(3))
    yield helper.make_attribute('floats', [1.0, 2.0])
    yield helper.make_attribute('ints', [1, -2, 2**62])
    yield helper.make_attribute('strings', ['a', ''])
    yield AttributeProto(name='no_ints', type=AttributeProto.INTS)
    yield AttributeProto(name='tensors', type=AttributeProto.TENSORS, tensors=list(all_tensors())[:3])
    yield AttributeProto(name='graphs', type=AttributeProto.GRAPHS, graphs=[subgraph(0), subgraph(1)])
    yield AttributeProto(name='sparse', type=AttributeProto.SPARSE_TENSOR, sparse_tensor=sparse())
    yield AttributeProto(name='sparses', type=AttributeProto.SPARSE_TENSORS, sparse_tensors=[sparse()])
    kind = helper.make_sequence_type_proto(helper.make_tensor_type_proto(1, ['N']))
    yield AttributeProto(name='tp', type=AttributeProto.TYPE_PROTO, tp=kind)
    yield AttributeProto(name='tps', type=AttributeProto.TYPE_PROTOS, type_protos=[kind, kind])
    yield AttributeProto(name='reference', type=AttributeProto.INT, ref_attr_name='outer')
    yield AttributeProto(name='without type', i=3)
    yield AttributeProto(name='without value', type=AttributeProto.FLOAT)
    yield AttributeProto(name='two values', type=AttributeProto.INT, i=3, f=2)
    yield AttributeProto(name='documented', type=AttributeProto.INT, i=3, doc_string='doc')
    yield with_raw(AttributeProto(name='packed', type=AttributeProto.INTS), text(8, b'\x01\x02\xac\x02'))
    yield with_raw(AttributeProto(name='packed floats', type=AttributeProto.FLOATS), text(7, b'\0\0\x80?\0\0\0@'))
    yield with_raw(AttributeProto(name='extras', type=AttributeProto.INT, i=1), unknown)


def value_infos():
    yield helper.make_tensor_value_info('x', 1, ['N', 3, None, 0])
    yield helper.make_tensor_value_info('scalar', 7, [])
    yield helper.make_tensor_value_info('any_rank', 16, None)
    yield helper.make_tensor_value_info('minus_one', 1, [-1, 3])
    yield helper.make_tensor_value_info('denoted', 1, [1, 3], shape_denotation=['DATA_BATCH', 'DATA_CHANNEL'])
    info = helper.make_tensor_value_info('image', 1, [1, 3], doc_string='an image')
    info.type.denotation = 'IMAGE'
    yield info
    yield helper.make_sparse_tensor_value_info('sparse_in', 1, [3, 4])
    element = helper.make_tensor_type_proto(1, ['N', 4])
    yield helper.make_value_info('sequence', helper.make_sequence_type_proto(element))
    yield helper.make_value_info('optional', helper.make_optional_type_proto(element))
    yield helper.make_value_info('map', helper.make_map_type_proto(7, element) if hasattr(helper, 'make_map_type_proto') else element)
    yield onnx.ValueInfoProto(name='untyped')
    yield onnx.ValueInfoProto(name='empty_type', type=onnx.TypeProto())
    empty_name = helper.make_tensor_value_info('empty_dim_name', 1, [2])
    empty_name.type.tensor_type.shape.dim[0].dim_param = ''
    yield empty_name
    no_element = onnx.ValueInfoProto(name='no_element')
    no_element.type.tensor_type.shape.dim.add().dim_value = 2
    yield no_element
    future = onnx.ValueInfoProto(name='future')
    future.type.tensor_type.CopyFrom(with_raw(onnx.TypeProto.Tensor(), field(1, 0, varint(99))))
    yield future
    yield with_raw(helper.make_tensor_value_info('extras', 1, [1]), unknown + text(4, entry))
    inner = helper.make_tensor_value_info('inner_extras', 1, [1])
    inner.type.CopyFrom(with_raw(inner.type, unknown))
    inner.type.tensor_type.shape.CopyFrom(with_raw(inner.type.tensor_type.shape, unknown))
    yield inner


def everything():
    node = helper.make_node('Everything', ['x', '', 'float_raw'], ['out', ''], name='n', domain='custom', doc_string='d')
    node.attribute.extend(attributes())
    extra = with_raw(helper.make_node('Extras', ['x'], ['o2'], domain='ai.onnx'), unknown + text(10, b'') + text(8, b'overload') + text(9, entry))
    bare = onnx.NodeProto(op_type='Bare')
    empty = onnx.NodeProto(name='', op_type='Empty', domain='', doc_string='')
    infos = list(value_infos())
    graph = helper.make_graph(
        [node, extra, bare, empty], 'main', infos, [helper.make_tensor_value_info('out', 1, None)], list(all_tensors()), 'graph doc', infos, [sparse()]
    )
    graph.quantization_annotation.append(
        onnx.TensorAnnotation(tensor_name='x', quant_parameter_tensor_names=[onnx.StringStringEntryProto(key='SCALE_TENSOR', value='s')])
    )
    graph = with_raw(graph, unknown + text(16, entry))
    function = helper.make_function(
        'custom', 'F', ['a'], ['b'], [helper.make_node('Relu', ['a'], ['b'])], [helper.make_opsetid('', 17)], ['alpha']
    )
    newer = text(11, helper.make_attribute('beta', 2).SerializeToString()) + text(12, infos[0].SerializeToString()) + text(13, b'over') + text(14, entry)
    function = with_raw(function, unknown + newer)
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid('', 17), onnx.OperatorSetIdProto(domain='custom'), helper.make_opsetid('ai.onnx.ml', 3)], functions=[function],
        producer_name='p', producer_version='', domain='d', model_version=-5, doc_string='doc \u00e9',
    )
    model.metadata_props.add(key='only a key')
    for key, value in (('a', '1'), ('b', ''), ('', 'c'), ('a', 'twice')):
        model.metadata_props.add(key=key, value=value)
    training = onnx.TrainingInfoProto(initialization=subgraph(1), algorithm=subgraph(0))
    training.update_binding.add(key='k', value='v')
    model.training_info.append(training)
    return with_raw(model, unknown + text(26, text(1, b'cpu')))


def small():
    graph = helper.make_graph([helper.make_node('Relu', ['x'], ['y'])], 'g', [helper.make_tensor_value_info('x', 1, [1])], [helper.make_tensor_value_info('y', 1, [1])])
    return graph


def save(name, message):
    (folder / f'{name}.onnx').write_bytes(message if isinstance(message, bytes) else message.SerializeToString())


save('everything', everything())
spelled = onnx.ModelProto(ir_version=8, graph=small())
spelled.opset_import.append(helper.make_opsetid('ai.onnx', 13))
save('spelled-domain', spelled)
omitted = onnx.ModelProto(ir_version=8, graph=small(), model_version=0, producer_name='', domain='')
omitted.opset_import.append(onnx.OperatorSetIdProto(version=13))
save('omitted-domain', omitted)
# Elements of packed fields one by one, fields in descending order, a varint longer than need be, a field twice.
loose = b''.join(field(4, 5, np.float32(v).tobytes()) for v in range(2000)) + text(4, np.arange(2000, dtype='<f4').tobytes())
weight = text(8, b'loose') + loose + field(2, 0, b'\x81\x00') + field(1, 0, b'\x05') + field(1, 0, varint(800))
ints = text(8, b'loose_ints') + b''.join(field(7, 0, varint(v)) for v in (-1, 5)) + text(7, varint(300)) + field(2, 0, b'\x07') + text(1, b'\x03')
named_twice = text(2, b'first') + text(2, b'second')
nodes = b''.join(text(1, n.SerializeToString()) for n in small().node)
save('odd-order', text(7, text(5, weight) + text(5, ints) + nodes + named_twice) + text(8, field(2, 0, b'\x0d')) + field(1, 0, b'\x08'))
