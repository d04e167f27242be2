//! One weight for the rows that are looked up and for the head that scores them, where exporters wrote it twice.

use crate::QuantiseError;
use crate::foreign::{Model, Node};
use crate::layers::{self, LayerKind};
use crate::proto::AttributeProto;

/// Has a linear layer whose weight is that of an embedding, turned, read that of the embedding.
pub(crate) fn tie(model: &mut Model) -> Result<(), QuantiseError> {
    let (layers, _) = layers::find(model);
    let mut tied = Vec::new();
    for table in layers.iter().filter(|layer| layer.kind == LayerKind::Embedding) {
        let [rows, width] = table.shape;
        let turned = |layer: &&layers::Layer| {
            layer.kind == LayerKind::Linear && layer.axis == 1 && layer.shape == [width, rows] && rows != width
        };
        let Some(head) = layers.iter().find(turned) else { continue };
        let (first, second) =
            (model.initialisers[table.constant].values()?, model.initialisers[head.constant].values()?);
        let same = first.chunks_exact(width).enumerate().all(|(row, values)| {
            values.iter().enumerate().all(|(column, value)| value.to_bits() == second[column * rows + row].to_bits())
        });
        if same {
            tied.push((table.name.clone(), head.name.clone()));
        }
    }
    for (table, head) in tied {
        model.initialisers.retain(|tensor| tensor.name != head);
        model.inputs.retain(|input| input.view.name.as_deref() != Some(head.as_str()));
        model.nodes.insert(0, Node::new("Transpose", "", &[&table], &[&head], vec![ints("perm", &[1, 0])]));
    }
    Ok(())
}

/// An attribute of integers.
pub(crate) fn ints(name: &str, values: &[i64]) -> AttributeProto {
    AttributeProto { name: Some(name.into()), ints: values.to_vec(), kind: Some(7), ..AttributeProto::default() }
}

/// An attribute of one integer.
pub(crate) fn int(name: &str, value: i64) -> AttributeProto {
    AttributeProto { name: Some(name.into()), i: Some(value), kind: Some(2), ..AttributeProto::default() }
}
