#include "convert.h"

#include <cmath>

namespace fastclip {

[[noreturn]] static void wrong(const char* what, const char* expected) {
  throw BadArgument(std::string(what) + ": expected " + expected);
}

static napi_valuetype typeOf(napi_env env, napi_value value) {
  napi_valuetype type = napi_undefined;
  check(napi_typeof(env, value, &type));
  return type;
}

bool isNullish(napi_env env, napi_value value) {
  const napi_valuetype type = typeOf(env, value);
  return type == napi_undefined || type == napi_null;
}

double toDouble(napi_env env, napi_value value, const char* what) {
  double number = 0;
  if (napi_get_value_double(env, value, &number) != napi_ok) wrong(what, "a number");
  return number;
}

static bool fromBigInt(napi_env env, napi_value value, int64_t* result) {
  bool exact = false;
  return napi_get_value_bigint_int64(env, value, result, &exact) == napi_ok && exact;
}

int64_t toInt(napi_env env, napi_value value, const char* what) {
  double number = 0;
  if (napi_get_value_double(env, value, &number) == napi_ok) {
    if (!(std::fabs(number) <= 9007199254740991.0) || number != std::trunc(number)) wrong(what, "a whole number");
    return static_cast<int64_t>(number);
  }
  int64_t big = 0;
  if (!fromBigInt(env, value, &big)) wrong(what, "a whole number");
  return big;
}

bool toBool(napi_env env, napi_value value, const char* what) {
  bool result = false;
  if (napi_get_value_bool(env, value, &result) != napi_ok) wrong(what, "true or false");
  return result;
}

// libtorch trusts element types and indexes tables with them, so only those that src/tensor/dtype.ts names come in.
at::ScalarType toDType(napi_env env, napi_value value, const char* what) {
  const int64_t code = toInt(env, value, what);
  for (const at::ScalarType type : {at::kByte, at::kChar, at::kShort, at::kInt, at::kLong, at::kHalf, at::kFloat,
                                    at::kDouble, at::kBool, at::kBFloat16})
    if (code == static_cast<int64_t>(type)) return type;
  wrong(what, "the code of an element type");
}

std::string toString(napi_env env, napi_value value, const char* what) {
  size_t length = 0;
  if (napi_get_value_string_utf8(env, value, nullptr, 0, &length) != napi_ok) wrong(what, "a string");
  std::string text(length, '\0');
  check(napi_get_value_string_utf8(env, value, text.data(), length + 1, &length));
  return text;
}

// Calls element(i, value) for each entry of a JavaScript array.
template <typename Element>
static void forEach(napi_env env, napi_value value, const char* what, Element element) {
  bool isArray = false;
  check(napi_is_array(env, value, &isArray));
  if (!isArray) wrong(what, "an array");
  uint32_t length = 0;
  check(napi_get_array_length(env, value, &length));
  for (uint32_t i = 0; i < length; ++i) {
    napi_value entry;
    check(napi_get_element(env, value, i, &entry));
    element(entry);
  }
}

std::vector<int64_t> toIntList(napi_env env, napi_value value, const char* what) {
  std::vector<int64_t> result;
  forEach(env, value, what, [&](napi_value entry) { result.push_back(toInt(env, entry, what)); });
  return result;
}

const at::Tensor& toTensor(Call& call, napi_value value) {
  double handle = 0;
  if (napi_get_value_double(call.env, value, &handle) != napi_ok) wrong("tensor", "a tensor");
  return call.environment.tensors.get(handle);
}

const at::Tensor& toTensor(Call& call, napi_value value, const char* what) {
  double handle = 0;
  if (napi_get_value_double(call.env, value, &handle) != napi_ok) wrong(what, "a tensor");
  try {
    return call.environment.tensors.get(handle);
  } catch (const BadArgument& error) {
    throw BadArgument(std::string(what) + ": " + error.what());
  }
}

std::vector<at::Tensor> toTensorList(Call& call, napi_value value, const char* what) {
  std::vector<at::Tensor> result;
  forEach(call.env, value, what, [&](napi_value entry) { result.push_back(toTensor(call, entry, what)); });
  return result;
}

static c10::IValue toScalar(napi_env env, napi_value value, const char* what) {
  switch (typeOf(env, value)) {
    case napi_boolean:
      return toBool(env, value, what);
    case napi_bigint:
      return toInt(env, value, what);
    default: {
      const double number = toDouble(env, value, what);
      // Whole numbers stay integers, as in Python, so that an integer tensor plus 1 stays an integer tensor.
      // Negative zero is a number that no integer has.
      const bool whole = number == std::trunc(number) && std::fabs(number) <= 9007199254740991.0;
      if (whole && !(number == 0 && std::signbit(number))) return static_cast<int64_t>(number);
      return number;
    }
  }
}

static c10::IValue toIntListValue(Call& call, const Parameter& parameter, napi_value value) {
  const char* what = parameter.name.c_str();
  if (parameter.repeat > 0 && typeOf(call.env, value) == napi_number)
    return c10::IValue(std::vector<int64_t>(parameter.repeat, toInt(call.env, value, what)));
  return c10::IValue(toIntList(call.env, value, what));
}

c10::IValue toIValue(Call& call, const Parameter& parameter, napi_value value) {
  const napi_env env = call.env;
  const char* what = parameter.name.c_str();
  if (isNullish(env, value)) {
    if (parameter.hasDefault) return parameter.defaultValue;
    if (parameter.optional) return c10::IValue();
    throw BadArgument(parameter.name + " is missing");
  }
  switch (parameter.kind) {
    case Kind::Tensor:
      return toTensor(call, value, what);
    case Kind::TensorList:
      return c10::IValue(toTensorList(call, value, what));
    case Kind::OptionalTensorList: {
      c10::List<std::optional<at::Tensor>> list;
      forEach(env, value, what, [&](napi_value entry) {
        if (isNullish(env, entry)) list.push_back(std::nullopt);
        else list.push_back(toTensor(call, entry, what));
      });
      return list;
    }
    case Kind::Int:
      return toInt(env, value, what);
    case Kind::Float:
      return toDouble(env, value, what);
    case Kind::Bool:
      return toBool(env, value, what);
    case Kind::Scalar:
      return toScalar(env, value, what);
    case Kind::String:
      return toString(env, value, what);
    case Kind::IntList:
      return toIntListValue(call, parameter, value);
    case Kind::FloatList: {
      c10::List<double> list;
      forEach(env, value, what, [&](napi_value entry) { list.push_back(toDouble(env, entry, what)); });
      return list;
    }
    case Kind::BoolList: {
      c10::List<bool> list;
      forEach(env, value, what, [&](napi_value entry) { list.push_back(toBool(env, entry, what)); });
      return list;
    }
    case Kind::DType:
      return static_cast<int64_t>(toDType(env, value, what));
    case Kind::MemoryFormat: {
      const int64_t format = toInt(env, value, what);
      if (format < 0 || format > static_cast<int64_t>(at::MemoryFormat::ChannelsLast3d)) wrong(what, "the code of a memory format");
      return format;
    }
    case Kind::Layout:
      throw BadArgument(parameter.name + ": layouts are not passed from JavaScript; the default one is used");
    case Kind::Device:
      return c10::Device(toString(env, value, what));
    case Kind::Generator:
      throw BadArgument(parameter.name + ": generators are not passed from JavaScript; seed the default one");
  }
  throw BadArgument(parameter.name + ": unknown kind");
}

napi_value fromDouble(napi_env env, double value) {
  napi_value result;
  check(napi_create_double(env, value, &result));
  return result;
}

napi_value fromBool(napi_env env, bool value) {
  napi_value result;
  check(napi_get_boolean(env, value, &result));
  return result;
}

napi_value fromString(napi_env env, const std::string& value) {
  napi_value result;
  check(napi_create_string_utf8(env, value.data(), value.size(), &result));
  return result;
}

napi_value undefined(napi_env env) {
  napi_value result;
  check(napi_get_undefined(env, &result));
  return result;
}

template <typename Size, typename Element>
static napi_value arrayOf(napi_env env, Size size, Element element) {
  napi_value array;
  check(napi_create_array_with_length(env, size, &array));
  for (uint32_t i = 0; i < size; ++i) check(napi_set_element(env, array, i, element(i)));
  return array;
}

napi_value fromInts(napi_env env, at::IntArrayRef values) {
  return arrayOf(env, values.size(), [&](uint32_t i) { return fromDouble(env, static_cast<double>(values[i])); });
}

napi_value fromDoubles(napi_env env, at::ArrayRef<double> values) {
  return arrayOf(env, values.size(), [&](uint32_t i) { return fromDouble(env, values[i]); });
}

napi_value fromTensor(Call& call, at::Tensor tensor) {
  if (!tensor.defined()) {
    napi_value null;
    check(napi_get_null(call.env, &null));
    return null;
  }
  return fromDouble(call.env, call.environment.tensors.add(std::move(tensor)));
}

static napi_value fromScalar(napi_env env, const at::Scalar& scalar) {
  return scalar.isBoolean() ? fromBool(env, scalar.toBool()) : fromDouble(env, scalar.toDouble());
}

napi_value fromTensors(Call& call, const std::vector<at::Tensor>& tensors) {
  return arrayOf(call.env, tensors.size(), [&](uint32_t i) { return fromTensor(call, tensors[i]); });
}

napi_value fromIValue(Call& call, c10::IValue value) {
  const napi_env env = call.env;
  if (value.isTensor()) return fromTensor(call, std::move(value).toTensor());
  if (value.isNone()) return undefined(env);
  if (value.isBool()) return fromBool(env, value.toBool());
  if (value.isInt()) return fromDouble(env, static_cast<double>(value.toInt()));
  if (value.isDouble()) return fromDouble(env, value.toDouble());
  if (value.isScalar()) return fromScalar(env, value.toScalar());
  if (value.isString()) return fromString(env, value.toStringRef());
  if (value.isIntList()) return fromInts(env, value.toIntVector());
  if (value.isTensorList()) return fromTensors(call, value.toTensorVector());
  throw std::runtime_error("an operator returned a value of a kind that JavaScript is not given: " + value.tagKind());
}

}  // namespace fastclip
