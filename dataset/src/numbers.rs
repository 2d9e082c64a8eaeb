//! Arrow's arrays as plain numbers and texts, whatever layout their writer chose: lists of any
//! kind and depth, any width of number, dictionaries. A value is never changed in silence: what
//! does not fit is named with its row.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int64Type, UInt64Type};

/// Whole numbers up to this are exact as 64-bit floats.
const EXACT_F64: u64 = 1 << 53;
/// Whole numbers up to this are exact as 32-bit floats.
const EXACT_F32: u64 = 1 << 24;

/// Numbers of either nature.
pub(crate) enum Numbers {
    Floats(Vec<f64>),
    Whole(Vec<i64>),
}

/// The numbers of a column, `dims` a row.
pub(crate) fn numbers(array: &ArrayRef, dims: usize) -> Result<Numbers, String> {
    let (leaf, offsets) = flat(array)?;
    for (row, ends) in offsets.windows(2).enumerate() {
        let found = ends[1] - ends[0];
        if found != dims {
            return Err(format!("row {row} of it has {found} numbers, not {dims}"));
        }
    }
    let unexpected = || format!("it holds {}, which does not fit info.json", words(array));
    let per_row = dims.max(1);
    if let Some(at) = first_null(&leaf) {
        return Err(format!("a value is missing (null) in row {} of it", at / per_row));
    }
    let as_type = |to: &DataType| cast(&leaf, to).map_err(|_| unexpected());
    match leaf.data_type() {
        DataType::Float16 | DataType::Float32 | DataType::Float64 => {
            let floats = as_type(&DataType::Float64)?;
            Ok(Numbers::Floats(floats.as_primitive::<Float64Type>().values().to_vec()))
        }
        DataType::UInt64 => {
            let values = leaf.as_primitive::<UInt64Type>().values().iter();
            let whole = values.map(|&v| i64::try_from(v)).collect::<Result<_, _>>();
            Ok(Numbers::Whole(whole.map_err(|_| "a number is beyond int64".to_owned())?))
        }
        DataType::Boolean => Ok(Numbers::Whole(
            leaf.as_boolean().iter().map(|v| i64::from(v == Some(true))).collect(),
        )),
        to if to.is_integer() => {
            let whole = as_type(&DataType::Int64)?;
            Ok(Numbers::Whole(whole.as_primitive::<Int64Type>().values().to_vec()))
        }
        _ => Err(unexpected()),
    }
}

impl Numbers {
    /// As 32-bit floats: 64-bit ones are rounded, whole numbers must be exact.
    pub fn into_f32(self) -> Result<Vec<f32>, String> {
        match self {
            Numbers::Floats(values) => values
                .into_iter()
                .map(|v| match v as f32 {
                    rounded if rounded.is_finite() || !v.is_finite() => Ok(rounded),
                    _ => Err(format!("{v} is beyond float32")),
                })
                .collect(),
            Numbers::Whole(values) => exact(values, EXACT_F32, "float32", |v| v as f32),
        }
    }

    /// As 64-bit floats; whole numbers must be exact.
    pub fn into_f64(self) -> Result<Vec<f64>, String> {
        match self {
            Numbers::Floats(values) => Ok(values),
            Numbers::Whole(values) => exact(values, EXACT_F64, "float64", |v| v as f64),
        }
    }

    /// As whole numbers, which floats must be.
    pub fn into_i64(self) -> Result<Vec<i64>, String> {
        match self {
            Numbers::Whole(values) => Ok(values),
            Numbers::Floats(values) => values
                .into_iter()
                .map(|v| match v.fract() == 0.0 && v.abs() <= EXACT_F64 as f64 {
                    true => Ok(v as i64),
                    false => Err(format!("{v} is not a whole number")),
                })
                .collect(),
        }
    }

    /// As truth values: 0 and 1 and nothing else.
    pub fn into_bool(self) -> Result<Vec<bool>, String> {
        let values = self.into_i64()?.into_iter();
        values
            .map(|v| match v {
                0 => Ok(false),
                1 => Ok(true),
                other => Err(format!("{other} is neither 0 nor 1")),
            })
            .collect()
    }
}

fn exact<T>(
    values: Vec<i64>,
    most: u64,
    name: &str,
    convert: fn(i64) -> T,
) -> Result<Vec<T>, String> {
    values
        .into_iter()
        .map(|v| match v.unsigned_abs() <= most {
            true => Ok(convert(v)),
            false => Err(format!("{v} is not exact as {name}")),
        })
        .collect()
}

/// The innermost values, and for each row where its own begin, and the end of the last.
fn flat(array: &ArrayRef) -> Result<(ArrayRef, Vec<usize>), String> {
    let mut offsets: Vec<usize> = (0..=array.len()).collect();
    let mut array = array.clone();
    loop {
        if !matches!(
            array.data_type(),
            DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..)
        ) {
            break;
        }
        if let Some(at) = first_null(&array) {
            let row = offsets.partition_point(|&offset| offset <= at).saturating_sub(1);
            return Err(format!("a value is missing (null) in row {row} of it"));
        }
        let (values, ends): (ArrayRef, Vec<usize>) = match array.data_type() {
            DataType::List(_) => {
                let list = array.as_list::<i32>();
                (list.values().clone(), list.offsets().iter().map(|&o| o as usize).collect())
            }
            DataType::LargeList(_) => {
                let list = array.as_list::<i64>();
                (list.values().clone(), list.offsets().iter().map(|&o| o as usize).collect())
            }
            _ => {
                let list = array.as_fixed_size_list();
                let length = list.value_length() as usize;
                (list.values().clone(), (0..=list.len()).map(|i| i * length).collect())
            }
        };
        let (begin, end) = (ends[0], ends[ends.len() - 1]);
        array = values.slice(begin, end - begin);
        offsets = offsets.into_iter().map(|offset| ends[offset] - begin).collect();
    }
    if let DataType::Dictionary(_, of) = array.data_type() {
        array = cast(&array, of).map_err(|e| e.to_string())?;
    }
    Ok((array, offsets))
}

fn first_null(array: &ArrayRef) -> Option<usize> {
    if array.data_type() == &DataType::Null {
        return (!array.is_empty()).then_some(0);
    }
    (array.null_count() > 0).then(|| (0..array.len()).find(|&i| array.is_null(i)))?
}

/// The texts of a column in any of Arrow's layouts; `None` for a missing one.
pub(crate) fn texts(array: &ArrayRef) -> Result<Vec<Option<String>>, String> {
    let is_text = |of: &DataType| {
        matches!(of, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null)
    };
    let fits = match array.data_type() {
        DataType::Dictionary(_, of) => is_text(of),
        DataType::Binary | DataType::LargeBinary => true,
        of => is_text(of),
    };
    let cast = fits.then(|| cast(array, &DataType::LargeUtf8).ok()).flatten();
    let array = cast.ok_or_else(|| format!("it holds {}, not text", words(array)))?;
    Ok(array.as_string::<i64>().iter().map(|text| text.map(str::to_owned)).collect())
}

/// What an array holds, in the words of `info.json`.
pub(crate) fn words(array: &ArrayRef) -> String {
    match array.data_type() {
        DataType::List(of) | DataType::LargeList(of) | DataType::FixedSizeList(of, _) => {
            format!("lists of {}", type_words(of.data_type()))
        }
        other => type_words(other),
    }
}

fn type_words(of: &DataType) -> String {
    match of {
        DataType::Struct(_) => "structures".to_owned(),
        DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..) => {
            "lists".to_owned()
        }
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "text".to_owned(),
        DataType::Boolean => "truth values".to_owned(),
        other => other.to_string().to_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use arrow::array::{
        DictionaryArray, FixedSizeListArray, Float64Array, Int32Array, LargeListArray, ListArray,
        StringArray, UInt64Array,
    };
    use arrow::datatypes::{Field, Int32Type};
    use std::sync::Arc;

    fn floats(array: &ArrayRef, dims: usize) -> Vec<f64> {
        numbers(array, dims).unwrap().into_f64().unwrap()
    }

    #[test]
    fn lists_of_every_layout_are_the_same_numbers() {
        let row = |a: i32, b: i32| Some(vec![Some(a), Some(b)]);
        let rows = [row(1, 2), row(3, 4), row(5, 6)];
        let list = ListArray::from_iter_primitive::<Int32Type, _, _>(rows.clone());
        let large = LargeListArray::from_iter_primitive::<Int32Type, _, _>(rows.clone());
        let fixed = FixedSizeListArray::from_iter_primitive::<Int32Type, _, _>(rows, 2);
        for array in [Arc::new(list) as ArrayRef, Arc::new(large), Arc::new(fixed)] {
            assert_eq!(floats(&array, 2), [1., 2., 3., 4., 5., 6.]);
            assert_eq!(floats(&array.slice(1, 2), 2), [3., 4., 5., 6.]);
            let item = Arc::new(Field::new("item", array.data_type().clone(), true));
            let nested: ArrayRef = Arc::new(FixedSizeListArray::new(item, 3, array, None));
            assert_eq!(floats(&nested, 6), [1., 2., 3., 4., 5., 6.]);
        }
        let plain: ArrayRef = Arc::new(Float64Array::from(vec![0.5, 1.5]));
        assert_eq!(floats(&plain, 1), [0.5, 1.5]);
    }

    #[test]
    fn ragged_rows_and_missing_values_are_named_by_row() {
        let ragged = [Some(vec![Some(1), Some(2)]), Some(vec![Some(3)])];
        let ragged: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(ragged));
        assert!(numbers(&ragged, 2).err().unwrap().contains("row 1"));
        let holed = [Some(vec![Some(1)]), None, Some(vec![Some(3)])];
        let holed: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(holed));
        assert!(numbers(&holed, 1).err().unwrap().contains("null) in row 1"));
        let null: ArrayRef = Arc::new(Int32Array::from(vec![Some(1), None]));
        assert!(numbers(&null, 1).err().unwrap().contains("null) in row 1"));
    }

    #[test]
    fn a_number_that_would_change_is_refused() {
        let whole = |v: i64| Numbers::Whole(vec![v]);
        assert!(whole(1 << 24).into_f32().is_ok() && whole((1 << 24) + 1).into_f32().is_err());
        assert!(whole(1 << 53).into_f64().is_ok() && whole((1 << 53) + 1).into_f64().is_err());
        assert!(Numbers::Floats(vec![0.5]).into_i64().is_err());
        assert!(Numbers::Floats(vec![1e300]).into_f32().is_err());
        assert!(Numbers::Floats(vec![f64::NAN]).into_f32().unwrap()[0].is_nan());
        assert!(whole(2).into_bool().is_err());
        let large: ArrayRef = Arc::new(UInt64Array::from(vec![u64::MAX]));
        assert!(numbers(&large, 1).is_err());
    }

    #[test]
    fn texts_come_from_every_layout_and_numbers_are_no_text() {
        let plain: ArrayRef = Arc::new(StringArray::from(vec![Some("a"), None]));
        let dictionary: DictionaryArray<Int32Type> = vec![Some("a"), None].into_iter().collect();
        for array in [plain, Arc::new(dictionary) as ArrayRef] {
            assert_eq!(texts(&array).unwrap(), [Some("a".to_owned()), None]);
        }
        let number: ArrayRef = Arc::new(Int32Array::from(vec![1]));
        assert!(texts(&number).unwrap_err().contains("int32"));
    }
}
