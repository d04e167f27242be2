//! From a float model to files in which some layers are int8 or four bits wide.
//!
//! A model is opened once: it is checked, its norms are folded, and every layer is quantised, tensor by tensor, into a scratch
//! file. Each file that is then written is the same graph with another choice of widths, so that many can be tried.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::Arc;

use crate::foreign::{self, Data, Edges, Model, Node, Place, Tensor, Written, is_quantised};
use crate::four::{BLOCK, Int4Weight};
use crate::layers::{self, Layer, LayerKind};
use crate::tie::{int, tie};
use crate::{DType, Int8Weight, QuantiseError, fold};

/// Where the operator for four bits comes from.
const DOMAIN: &str = "com.microsoft";

/// How wide the weights of a layer are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Width {
    /// As in the source.
    Float,
    /// A byte, and a scale for each channel.
    Int8,
    /// Half a byte, and a scale for each block of 32.
    Int4,
}

/// What to prepare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuantiseOptions {
    /// Folds the scale and offset of norms into the layers that follow.
    pub fold: bool,
    /// Prepares four bits too.
    pub int4: bool,
}

/// A layer that can be quantised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerInfo {
    /// Its weight.
    pub weight: String,
    /// The node that reads it first.
    pub node: String,
    /// What reads it.
    pub kind: LayerKind,
    /// Shape of the weight.
    pub shape: [usize; 2],
    /// The fewest bits it can have.
    pub narrowest: Width,
}

/// An input that the caller of a model feeds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputInfo {
    /// Its name.
    pub name: String,
    /// Its element type, as [`DType::code`] numbers it.
    pub dtype: i32,
    /// Its lengths; `None` for those that the caller chooses.
    pub shape: Vec<Option<usize>>,
}

/// A float model, ready to be written with any choice of widths.
#[derive(Debug)]
pub struct Quantiser {
    model: Model,
    inputs: Vec<InputInfo>,
    outputs: Vec<String>,
    layers: Vec<Prepared>,
    left: Vec<(String, String)>,
    folded: usize,
}

/// A layer, and where its values are in the scratch file.
#[derive(Debug)]
struct Prepared {
    layer: Layer,
    /// With the norm folded in; as in the source where there is none.
    float: Option<Place>,
    int8: Place,
    scales: Place,
    int4: Option<(Place, Place)>,
}

impl Quantiser {
    /// Opens a float model, checks it and quantises every layer into `scratch`, a file that must outlive the quantiser.
    pub fn open(path: &Path, scratch: &Path, options: &QuantiseOptions) -> Result<Self, QuantiseError> {
        let mut model = Model::open(path)?;
        if let Some(node) = model.nodes.iter().find(|node| is_quantised(node)) {
            return Err(QuantiseError::Quantised {
                path: path.into(),
                node: node.name().into(),
                operator: node.operator().into(),
            });
        }
        model.raise()?;
        model.normalise()?;
        tie(&mut model)?;
        let (mut layers, left) = layers::find(&model);
        if layers.is_empty() {
            return Err(nothing(&model, &left));
        }
        let folded = if options.fold { fold::fold(&mut model, &mut layers)? } else { 0 };
        check_others(&model, &layers)?;
        let mut scratch = Scratch::create(scratch)?;
        let prepare = |layer| prepare(&model, layer, &mut scratch, options.int4);
        let layers = layers.into_iter().map(prepare).collect::<Result<_, _>>()?;
        scratch.finish()?;
        let inputs = model.fed().into_iter().map(|(name, dtype, shape)| InputInfo { name, dtype, shape }).collect();
        let outputs = model.outputs.iter().filter_map(|output| output.view.name.clone()).collect();
        Ok(Self { model, inputs, outputs, layers, left, folded })
    }

    /// The layers that can be quantised, in the order of the graph.
    pub fn layers(&self) -> impl ExactSizeIterator<Item = LayerInfo> {
        self.layers.iter().map(|Prepared { layer, int4, .. }| LayerInfo {
            weight: layer.name.clone(),
            node: layer.node.clone(),
            kind: layer.kind,
            shape: layer.shape,
            narrowest: if int4.is_some() { Width::Int4 } else { Width::Int8 },
        })
    }

    /// Other large float constants, and for each why it stays as it is.
    pub fn left(&self) -> &[(String, String)] {
        &self.left
    }

    /// How many norms were folded.
    pub fn folded(&self) -> usize {
        self.folded
    }

    /// What the caller of the model feeds.
    pub fn inputs(&self) -> &[InputInfo] {
        &self.inputs
    }

    /// Names of what it gives.
    pub fn outputs(&self) -> &[String] {
        &self.outputs
    }

    /// Writes the model with a width for each layer; one that a layer cannot have counts as the next that it can. Where the
    /// constants have more bytes than `external_from` in all, they go to a file of their own, `<out>_data`.
    pub fn write(&self, widths: &[Width], out: &Path, external_from: u64) -> Result<Written, QuantiseError> {
        foreign::write(&self.build(widths), out, external_from)
    }

    fn build(&self, widths: &[Width]) -> Model {
        let mut model = self.model.clone();
        let edges = model.edges();
        let mut replaced: HashMap<usize, Vec<Node>> = HashMap::new();
        let mut dequantised = Vec::new();
        let mut narrow = false;
        for (at, prepared) in self.layers.iter().enumerate() {
            let Prepared { layer, float, int8, scales, int4 } = prepared;
            let mut add = |ending: &str, dtype, shape: &[usize], place: &Place| {
                let name = edges.fresh(format!("{}.{ending}", layer.name));
                model.initialisers.push(Tensor::new(&name, dtype, shape, Data::Stored(place.clone())));
                name
            };
            match (widths.get(at).copied().unwrap_or(Width::Float), int4) {
                (Width::Float, _) => {
                    if let Some(place) = float {
                        model.initialisers[layer.constant].data = Data::Stored(place.clone());
                    }
                }
                (Width::Int4, Some((packed, scales))) => {
                    let (inputs, outputs) = layer.lengths();
                    let blocks = inputs / BLOCK;
                    let packed = add("int4", DType::U8, &[outputs, blocks, BLOCK / 2], packed);
                    let scales = add("scale", DType::F32, &[outputs * blocks], scales);
                    narrow = true;
                    narrowed(&model, &edges, layer, &[&packed, &scales], &mut replaced);
                }
                (Width::Int8 | Width::Int4, _) => {
                    let values = add("int8", DType::I8, &layer.shape, int8);
                    let scales = add("scale", DType::F32, &[layer.shape[layer.axis]], scales);
                    let axis = vec![int("axis", layer.axis as i64)];
                    // Under the name of the float weight, so that whoever reads it reads on.
                    dequantised.push(Node::new("DequantizeLinear", "", &[&values, &scales], &[&layer.name], axis));
                }
            }
        }
        if narrow {
            model.set_opset(DOMAIN, 1);
        }
        let made: HashSet<&String> = dequantised.iter().flat_map(|node| &node.outputs).collect();
        model.initialisers.retain(|tensor| !made.contains(&tensor.name));
        model.inputs.retain(|input| input.view.name.as_ref().is_none_or(|name| !made.contains(name)));
        let nodes = std::mem::take(&mut model.nodes).into_iter().enumerate();
        let nodes = nodes.flat_map(|(at, node)| replaced.remove(&at).unwrap_or_else(|| vec![node]));
        // In front of everything: what is new reads constants.
        model.nodes = dequantised.into_iter().chain(nodes.collect::<Vec<_>>()).collect();
        drop_unread(&mut model, &edges);
        model
    }
}

/// Puts four-bit layers in place of the nodes that read a weight.
fn narrowed(model: &Model, edges: &Edges, layer: &Layer, weight: &[&str; 2], replaced: &mut HashMap<usize, Vec<Node>>) {
    let (inputs, outputs) = layer.lengths();
    let mut readers: Vec<usize> = edges.readers(&layer.name).unwrap_or_default().iter().map(|(at, _)| *at).collect();
    let mut next = 0;
    while let Some(&at) = readers.get(next) {
        next += 1;
        let node = &model.nodes[at];
        let made = node.outputs[0].as_str();
        if node.standard() == "Transpose" {
            readers.extend(edges.readers(made).unwrap_or_default().iter().map(|(at, _)| *at));
            replaced.insert(at, Vec::new());
            continue;
        }
        let offset = node.inputs.get(2).filter(|name| !name.is_empty());
        let product = offset.map_or_else(|| made.to_owned(), |_| edges.fresh(format!("{made}.product")));
        let attributes = [("K", inputs as i64), ("N", outputs as i64), ("bits", 4), ("block_size", BLOCK as i64)];
        let attributes = attributes.map(|(name, value)| int(name, value)).into();
        let [packed, scales] = *weight;
        let mut nodes =
            vec![Node::new("MatMulNBits", DOMAIN, &[&node.inputs[0], packed, scales], &[&product], attributes)];
        if let Some(offset) = offset {
            nodes.push(Node::new("Add", "", &[&product, offset], &[made], Vec::new()));
        }
        replaced.insert(at, nodes);
    }
}

/// Takes out the constants that were read before and are no more.
fn drop_unread(model: &mut Model, before: &Edges) {
    let after = model.edges();
    let unread = |name: &str| {
        let now = after.readers(name).is_some_and(<[_]>::is_empty);
        now && before.readers(name).is_some()
    };
    model.initialisers.retain(|tensor| !unread(&tensor.name));
    let kept: HashSet<&str> = model.initialisers.iter().map(|tensor| tensor.name.as_str()).collect();
    let gone = |name: &str| before.constant(name).is_some() && !kept.contains(name);
    model.inputs.retain(|input| !gone(input.view.name.as_deref().unwrap_or_default()));
}

fn prepare(model: &Model, layer: Layer, scratch: &mut Scratch, int4: bool) -> Result<Prepared, QuantiseError> {
    let mut weight = model.initialisers[layer.constant].values()?;
    let [_, columns] = layer.shape;
    let float = match &layer.gamma {
        Some(gamma) => {
            for (row, values) in weight.chunks_exact_mut(columns).enumerate() {
                for (column, value) in values.iter_mut().enumerate() {
                    *value *= gamma[if layer.axis == 1 { row } else { column }];
                }
            }
            Some(scratch.floats(&weight)?)
        }
        None => None,
    };
    let quantised = Int8Weight::quantise(&layer.name, &weight, &layer.shape, layer.axis);
    let quantised = quantised.map_err(|error| QuantiseError::weight(&model.path, error))?;
    let int8 = scratch.append(&quantised.values().iter().map(|value| value.cast_unsigned()).collect::<Vec<u8>>())?;
    let scales = scratch.floats(quantised.scales())?;
    drop(quantised);
    let (inputs, outputs) = layer.lengths();
    let int4 = if int4 && layer.narrow && layer.kind == LayerKind::Linear && inputs % BLOCK == 0 {
        if layer.axis == 1 {
            weight = turned(&weight, inputs, outputs);
        }
        let packed = Int4Weight::pack(&weight);
        Some((scratch.append(&packed.packed)?, scratch.floats(&packed.scales)?))
    } else {
        None
    };
    Ok(Prepared { layer, float, int8, scales, int4 })
}

/// `[inputs, outputs]` as `[outputs, inputs]`.
fn turned(weight: &[f32], inputs: usize, outputs: usize) -> Vec<f32> {
    let mut turned = vec![0.0; weight.len()];
    for (input, row) in weight.chunks_exact(outputs).enumerate() {
        for (output, value) in row.iter().enumerate() {
            turned[output * inputs + input] = *value;
        }
    }
    turned
}

/// No constant may be NaN; masks may be infinite. Layers are looked at when they are quantised.
fn check_others(model: &Model, layers: &[Layer]) -> Result<(), QuantiseError> {
    let layers: HashSet<usize> = layers.iter().map(|layer| layer.constant).collect();
    let others = model.initialisers.iter().enumerate().filter(|(at, tensor)| tensor.is_f32() && !layers.contains(at));
    for (_, tensor) in others {
        let mut at = 0;
        tensor.pieces(&mut |piece| {
            let values = piece.as_chunks::<4>().0;
            if let Some(index) = values.iter().position(|bytes| f32::from_le_bytes(*bytes).is_nan()) {
                return Err(QuantiseError::NotFinite {
                    path: model.path.to_path_buf(),
                    tensor: tensor.name.clone(),
                    index: at + index,
                    value: f32::NAN,
                });
            }
            at += values.len();
            Ok(())
        })?;
    }
    Ok(())
}

/// Why a graph has no layer.
fn nothing(model: &Model, left: &[(String, String)]) -> QuantiseError {
    const HALF: [i32; 2] = [10, 16];
    let problem = if let Some(half) = model.initialisers.iter().find(|tensor| HALF.contains(&tensor.dtype)) {
        format!("weight {} has floats of 16 bits; export it with floats of 32", half.name)
    } else if model.functions {
        "its layers are within functions of its own; export it with functions inlined".into()
    } else if let Some((name, why)) = left.first() {
        format!("{name} {why}; linear layers and embeddings with constant weights of two axes are taken")
    } else {
        "it has no linear layer or embedding with a constant weight of at least 1024 floats".into()
    };
    QuantiseError::Nothing { path: model.path.to_path_buf(), problem }
}

/// Values that are put aside, so that no more than one weight is in memory.
struct Scratch {
    path: Arc<Path>,
    file: BufWriter<File>,
    end: u64,
}

impl Scratch {
    fn create(path: &Path) -> Result<Self, QuantiseError> {
        let file = File::create(path).map_err(|source| QuantiseError::io(path, "written", source))?;
        Ok(Self { path: Arc::from(path), file: BufWriter::new(file), end: 0 })
    }

    fn append(&mut self, bytes: &[u8]) -> Result<Place, QuantiseError> {
        self.file.write_all(bytes).map_err(|source| QuantiseError::io(&self.path, "written", source))?;
        let place = Place { file: self.path.clone(), offset: self.end, length: bytes.len() as u64 };
        self.end += place.length;
        Ok(place)
    }

    fn floats(&mut self, values: &[f32]) -> Result<Place, QuantiseError> {
        let mut piece = Vec::new();
        let mut place = self.append(&[])?;
        for values in values.chunks(1 << 18) {
            piece.clear();
            piece.extend(values.iter().flat_map(|value| value.to_le_bytes()));
            place.length += self.append(&piece)?.length;
        }
        Ok(place)
    }

    fn finish(mut self) -> Result<(), QuantiseError> {
        self.file.flush().map_err(|source| QuantiseError::io(&self.path, "written", source))
    }
}
