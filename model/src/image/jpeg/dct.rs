//! One 8 x 8 block through the cosine transform, quantisation and back.
//!
//! Owns the quantisation tables of quality 95 and two transforms to the last bit: forward by
//! Loeffler, Ligtenberg and Moschytz with 13-bit constants ("slow"), inverse by Arai, Agui and
//! Nakajima with 8-bit constants ("fast", what TensorFlow decodes with). The inverse one loses
//! a little, which is why its error must be reproduced too.

use std::f64::consts::{PI, SQRT_2};

/// Samples along one side of a block.
pub(super) const SIDE: usize = 8;
/// Samples of a block.
pub(super) const BLOCK: usize = SIDE * SIDE;

/// Percentage of ITU T.81's example tables (its annex K.1) that quality 95 uses.
const SCALE_PERCENT: i32 = 10;

#[rustfmt::skip]
const LUMA: [i32; BLOCK] = [
    16, 11, 10, 16,  24,  40,  51,  61,
    12, 12, 14, 19,  26,  58,  60,  55,
    14, 13, 16, 24,  40,  57,  69,  56,
    14, 17, 22, 29,  51,  87,  80,  62,
    18, 22, 37, 56,  68, 109, 103,  77,
    24, 35, 55, 64,  81, 104, 113,  92,
    49, 64, 78, 87, 103, 121, 120, 101,
    72, 92, 95, 98, 112, 100, 103,  99,
];

#[rustfmt::skip]
const CHROMA: [i32; BLOCK] = [
    17, 18, 24, 47, 99, 99, 99, 99,
    18, 21, 26, 66, 99, 99, 99, 99,
    24, 26, 56, 99, 99, 99, 99, 99,
    47, 66, 99, 99, 99, 99, 99, 99,
    99, 99, 99, 99, 99, 99, 99, 99,
    99, 99, 99, 99, 99, 99, 99, 99,
    99, 99, 99, 99, 99, 99, 99, 99,
    99, 99, 99, 99, 99, 99, 99, 99,
];

/// Both transforms for one kind of component.
pub(super) struct Transform {
    /// The forward transform's results are eight times too large.
    divisors: [i32; BLOCK],
    /// Quantisation steps times the inverse transform's own scale, with `DEQUANT_BITS`.
    multipliers: [i32; BLOCK],
}

impl Transform {
    pub fn luma() -> Self {
        Self::new(&LUMA)
    }

    pub fn chroma() -> Self {
        Self::new(&CHROMA)
    }

    fn new(table: &[i32; BLOCK]) -> Self {
        let steps = table.map(|step| ((step * SCALE_PERCENT + 50) / 100).clamp(1, 255));
        let multipliers = std::array::from_fn(|i| {
            let scale = aan_scale(i / SIDE) * aan_scale(i % SIDE);
            descale(steps[i] * (scale * f64::from(1 << 14)).round() as i32, 14 - DEQUANT_BITS)
        });
        Self { divisors: steps.map(|step| step * 8), multipliers }
    }

    /// The samples of a block after quantisation, rows from the top.
    pub fn coded(&self, block: [i32; BLOCK]) -> [u8; BLOCK] {
        let mut block = block.map(|sample| sample - 128);
        each_row(&mut block, |row| forward(row, 0));
        each_column(&mut block, |column| forward(column, 2 * FORWARD_EXTRA_BITS));
        for ((value, divisor), multiplier) in
            block.iter_mut().zip(&self.divisors).zip(&self.multipliers)
        {
            let level = (value.abs() + divisor / 2) / divisor * value.signum();
            *value = level * multiplier;
        }
        each_column(&mut block, inverse);
        each_row(&mut block, inverse);
        // Truncated, not rounded: the fast transform's choice.
        block.map(|value| ((value >> (DEQUANT_BITS + 3)) + 128).clamp(0, 255) as u8)
    }
}

fn each_row(block: &mut [i32; BLOCK], transform: impl Fn([i32; SIDE]) -> [i32; SIDE]) {
    for row in block.as_chunks_mut::<SIDE>().0 {
        *row = transform(*row);
    }
}

fn each_column(block: &mut [i32; BLOCK], transform: impl Fn([i32; SIDE]) -> [i32; SIDE]) {
    for x in 0..SIDE {
        let column = transform(std::array::from_fn(|y| block[y * SIDE + x]));
        column.into_iter().enumerate().for_each(|(y, value)| block[y * SIDE + x] = value);
    }
}

fn descale(value: i32, bits: u32) -> i32 {
    (value + (1 << (bits - 1))) >> bits
}

/// Bits after the point of the forward transform's constants.
const FORWARD_BITS: u32 = 13;
/// Bits kept in addition between its two passes.
const FORWARD_EXTRA_BITS: u32 = 2;

const fn slow(value: f64) -> i32 {
    (value * (1 << FORWARD_BITS) as f64 + 0.5) as i32
}

/// Eight samples to eight coefficients with `FORWARD_EXTRA_BITS`, less `shift` bits.
fn forward(v: [i32; SIDE], shift: u32) -> [i32; SIDE] {
    let sum = |i: usize| v[i] + v[7 - i];
    let difference = |i: usize| v[i] - v[7 - i];
    let plain = |value: i32| match shift {
        0 => value << FORWARD_EXTRA_BITS,
        _ => descale(value, shift - FORWARD_EXTRA_BITS),
    };
    let product = |value: i32| descale(value, FORWARD_BITS - FORWARD_EXTRA_BITS + shift);

    let (outer, inner) = ([sum(0), sum(3)], [sum(1), sum(2)]);
    let (even, odd) = (outer[0] + outer[1], inner[0] + inner[1]);
    let (a, b) = (outer[0] - outer[1], inner[0] - inner[1]);
    let turn = (a + b) * slow(0.541_196_100);

    let [d0, d1, d2, d3] = [0, 1, 2, 3].map(difference);
    let common = (d0 + d1 + d2 + d3) * slow(1.175_875_602);
    let z1 = -(d3 + d0) * slow(0.899_976_223);
    let z2 = -(d2 + d1) * slow(2.562_915_447);
    let z3 = common - (d3 + d1) * slow(1.961_570_560);
    let z4 = common - (d2 + d0) * slow(0.390_180_644);
    [
        plain(even + odd),
        product(d0 * slow(1.501_321_110) + z1 + z4),
        product(turn + a * slow(0.765_366_865)),
        product(d1 * slow(3.072_711_026) + z2 + z3),
        plain(even - odd),
        product(d2 * slow(2.053_119_869) + z2 + z4),
        product(turn - b * slow(1.847_759_065)),
        product(d3 * slow(0.298_631_336) + z1 + z3),
    ]
}

/// Bits after the point of dequantised coefficients.
const DEQUANT_BITS: u32 = 2;

/// What the fast inverse transform leaves to the dequantisation of coefficient `k`.
fn aan_scale(k: usize) -> f64 {
    if k == 0 { 1.0 } else { SQRT_2 * (k as f64 * PI / 16.0).cos() }
}

/// `value` times a constant with 8 bits after the point, truncated.
fn fast(value: i32, constant: f64) -> i32 {
    (value * (constant * 256.0).round() as i32) >> 8
}

/// Eight scaled coefficients to eight samples.
fn inverse(v: [i32; SIDE]) -> [i32; SIDE] {
    let (sum, difference) = (v[0] + v[4], v[0] - v[4]);
    let diagonal = v[2] + v[6];
    let turned = fast(v[2] - v[6], SQRT_2) - diagonal;
    let even = [sum + diagonal, difference + turned, difference - turned, sum - diagonal];

    let (z10, z11, z12, z13) = (v[5] - v[3], v[1] + v[7], v[1] - v[7], v[5] + v[3]);
    let z5 = fast(z10 + z12, 1.847_759_065);
    let odd0 = z11 + z13;
    let odd1 = fast(z10, -2.613_125_930) + z5 - odd0;
    let odd2 = fast(z11 - z13, SQRT_2) - odd1;
    let odd3 = -(fast(z12, 1.082_392_200) - z5 + odd2);
    let odd = [odd0, odd1, odd2, odd3];
    std::array::from_fn(|i| match i {
        0..4 => even[i] + odd[i],
        _ => even[7 - i] - odd[7 - i],
    })
}
