//! Attention as one operator: `softmax(scale · q · kᵀ + mask) · v` for every head, on tensors as they lie in memory, so that nothing
//! is moved to bring a head's rows together.

use std::cell::RefCell;

use tract_onnx::tract_core::internal::{
    DatumExt, EvalContext, EvalOp, Op, StaticName, TDim, TValue, TVec, Tensor, TractResult, TypedFact, TypedOp, as_op,
    bail, op_as_typed_op, op_out_of_plan, tvec,
};
use trimtab_kernels::Isa;
use trimtab_kernels::attention::{Attention, Head, Rows, RowsMut};

thread_local! {
    /// Room for one head, kept from one run to the next.
    static ROOM: RefCell<Attention> = RefCell::new(Attention::new(Isa::best()));
}

/// Which axes of a tensor tell heads apart, and which one positions; the last axis is always a row's numbers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Axes {
    /// For each axis of the heads; none where the tensor has the same for all of them.
    pub(super) heads: TVec<Option<usize>>,
    pub(super) positions: usize,
}

/// The operator. Inputs: queries, keys, values and, where there is one, the mask `[.., queries or 1, keys]`, the same for all heads.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct FusedAttention {
    /// Bits of the factor, so that operators can be compared.
    pub(super) scale: u32,
    pub(super) queries: Axes,
    pub(super) keys: Axes,
    pub(super) values: Axes,
    pub(super) result: Axes,
    /// Shape of the result.
    pub(super) shape: TVec<TDim>,
}

impl Op for FusedAttention {
    fn name(&self) -> StaticName {
        "FusedAttention".into()
    }

    op_as_typed_op!();
}

/// A tensor's shape, and how far apart neighbours on each axis are.
struct Layout {
    shape: TVec<usize>,
    strides: TVec<usize>,
}

impl Layout {
    fn of(shape: &[usize]) -> Self {
        let mut strides: TVec<usize> = tvec![1; shape.len()];
        for axis in (1..shape.len()).rev() {
            strides[axis - 1] = strides[axis] * shape[axis];
        }
        Self { shape: shape.into(), strides }
    }

    fn width(&self) -> usize {
        self.shape.last().copied().unwrap_or(0)
    }

    /// Where the rows of a head begin.
    fn first(&self, axes: &Axes, head: &[usize]) -> usize {
        axes.heads.iter().zip(head).map(|(axis, at)| axis.map_or(0, |axis| at * self.strides[axis])).sum()
    }

    /// How many heads there are on an axis of the heads; one where the tensor has the same for all.
    fn heads(&self, axes: &Axes, axis: usize) -> usize {
        axes.heads[axis].map_or(1, |axis| self.shape[axis])
    }
}

impl EvalOp for FusedAttention {
    op_out_of_plan!();

    fn eval(&self, _: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let views: Vec<_> = inputs.iter().map(|input| input.try_as_plain_ram()).collect::<TractResult<_>>()?;
        let numbers: Vec<&[f32]> = views.iter().map(|view| view.as_slice::<f32>()).collect::<TractResult<_>>()?;
        let layouts: Vec<Layout> = inputs.iter().map(|input| Layout::of(input.shape())).collect();
        let (all_axes, of) = ([&self.queries, &self.keys, &self.values], [&layouts[0], &layouts[1], &layouts[2]]);
        let positions = |input: usize| of[input].shape[all_axes[input].positions];
        let axes = self.result.heads.len();
        let heads: Vec<usize> = (0..axes)
            .map(|axis| (0..3).map(|input| of[input].heads(all_axes[input], axis)).max().unwrap_or(1))
            .collect();
        let rows = |input: usize, head: &[usize]| {
            let (axes, layout) = (all_axes[input], of[input]);
            Rows::new(
                numbers[input],
                layout.first(axes, head),
                layout.strides[axes.positions],
                positions(input),
                layout.width(),
            )
        };
        let mask = match numbers.get(3) {
            Some(mask) => {
                let keys = layouts[3].width();
                Some(Rows::new(mask, 0, keys, mask.len() / keys.max(1), keys)?)
            }
            None => None,
        };
        let mut shape: TVec<usize> = tvec![1; self.shape.len()];
        let Some(last) = shape.last_mut() else { bail!("attention gives rows, not one number") };
        *last = of[2].width();
        shape[self.result.positions] = positions(0);
        for (axis, count) in self.result.heads.iter().zip(&heads) {
            if let Some(axis) = axis {
                shape[*axis] = *count;
            }
        }
        let mut result = Tensor::zero::<f32>(&shape)?;
        let to = Layout::of(&shape);
        let mut plain = result.try_as_plain_ram_mut()?;
        let out = plain.as_slice_mut::<f32>()?;
        ROOM.with_borrow_mut(|room| {
            let mut head = vec![0; axes];
            for _ in 0..heads.iter().product() {
                let reads = Head {
                    queries: rows(0, &head)?,
                    keys: rows(1, &head)?,
                    values: rows(2, &head)?,
                    scale: f32::from_bits(self.scale),
                    mask,
                };
                let (first, stride) = (to.first(&self.result, &head), to.strides[self.result.positions]);
                room.run(&reads, &mut RowsMut::new(out, first, stride, positions(0), to.width())?)?;
                // The next head: the last axis counts fastest.
                for (at, count) in head.iter_mut().zip(&heads).rev() {
                    *at += 1;
                    if *at < *count {
                        break;
                    }
                    *at = 0;
                }
            }
            TractResult::Ok(())
        })?;
        Ok(tvec![result.into()])
    }
}

impl TypedOp for FusedAttention {
    fn output_facts(&self, _: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        Ok(tvec![f32::fact(&*self.shape)])
    }

    as_op!();
}
