// Any operator of libtorch, found by its schema name in the dispatcher and called boxed. No operator is written by hand.
#include "convert.h"

namespace fastclip {

static Kind kindOf(const c10::TypePtr& type, const std::string& name) {
  using c10::TypeKind;
  switch (type->kind()) {
    case TypeKind::TensorType: return Kind::Tensor;
    case TypeKind::IntType: return Kind::Int;
    case TypeKind::SymIntType: return Kind::Int;
    case TypeKind::FloatType: return Kind::Float;
    case TypeKind::BoolType: return Kind::Bool;
    case TypeKind::NumberType: return Kind::Scalar;
    case TypeKind::StringType: return Kind::String;
    case TypeKind::DeviceObjType: return Kind::Device;
    case TypeKind::GeneratorType: return Kind::Generator;
    case TypeKind::ScalarTypeType: return Kind::DType;
    case TypeKind::MemoryFormatType: return Kind::MemoryFormat;
    case TypeKind::LayoutType: return Kind::Layout;
    case TypeKind::ListType: {
      const c10::TypePtr element = type->castRaw<c10::ListType>()->getElementType();
      if (element->kind() == TypeKind::OptionalType) return Kind::OptionalTensorList;
      switch (kindOf(element, name)) {
        case Kind::Tensor: return Kind::TensorList;
        case Kind::Int: return Kind::IntList;
        case Kind::Float: return Kind::FloatList;
        case Kind::Bool: return Kind::BoolList;
        default: break;
      }
      break;
    }
    default: break;
  }
  throw BadArgument(name + ": an argument of type " + type->str() + " cannot be given from JavaScript");
}

static Parameter parameterOf(const c10::Argument& argument) {
  c10::TypePtr type = argument.real_type();
  const bool optional = type->kind() == c10::TypeKind::OptionalType;
  if (optional) type = type->castRaw<c10::OptionalType>()->getElementType();
  const auto& defaultValue = argument.default_value();
  return Parameter{argument.name(), kindOf(type, argument.name()), optional, argument.N().value_or(0),
                   defaultValue.value_or(c10::IValue()), defaultValue.has_value()};
}

static bool writesFirstArgument(const c10::FunctionSchema& schema) {
  if (schema.arguments().empty() || schema.returns().size() != 1) return false;
  const c10::AliasInfo* given = schema.arguments()[0].alias_info();
  const c10::AliasInfo* returned = schema.returns()[0].alias_info();
  return given != nullptr && returned != nullptr && given->isWrite() && returned->isWrite();
}

static c10::OperatorHandle find(Call& call) {
  const std::string name = toString(call.env, call[0], "operator name");
  const std::string overload = toString(call.env, call[1], "overload name");
  const auto found = c10::Dispatcher::singleton().findSchema({name, overload});
  if (!found) throw BadArgument("this libtorch has no operator " + name + (overload.empty() ? "" : "." + overload));
  return *found;
}

// operator(name, overload) -> number by which `call` knows it
static napi_value resolve(Call& call) {
  const c10::OperatorHandle handle = find(call);
  const bool isFused = handle.schema().name().starts_with("aten::_fused_");
  Operator entry{handle, {}, writesFirstArgument(handle.schema()), isFused};
  for (const c10::Argument& argument : handle.schema().arguments()) entry.parameters.push_back(parameterOf(argument));
  auto& operators = call.environment.operators;
  operators.push_back(std::move(entry));
  return fromDouble(call.env, static_cast<double>(operators.size() - 1));
}

// schema(name, overload) -> the schema as libtorch prints it
static napi_value schema(Call& call) {
  const c10::OperatorHandle handle = find(call);
  std::ostringstream text;
  text << handle.schema();
  return fromString(call.env, text.str());
}

static napi_value fromResults(Call& call, const Operator& entry, std::vector<c10::IValue>& stack) {
  if (entry.returnsSelf || stack.empty()) return undefined(call.env);
  if (stack.size() == 1) return fromIValue(call, std::move(stack[0]));
  napi_value array;
  check(napi_create_array_with_length(call.env, stack.size(), &array));
  for (uint32_t i = 0; i < stack.size(); ++i)
    check(napi_set_element(call.env, array, i, fromIValue(call, std::move(stack[i]))));
  return array;
}

// Whether the elements of two tensors lie in the same order. The stride of a dimension of one element says nothing.
static bool sameLayout(const at::Tensor& a, const at::Tensor& b) {
  if (a.sizes() != b.sizes()) return false;
  for (int64_t i = 0; i < a.dim(); ++i)
    if (a.size(i) > 1 && a.stride(i) != b.stride(i)) return false;
  return true;
}

// libtorch's fused optimizers compare the lengths of their lists but not what is in them, and would read past the end of
// a gradient that is smaller than its parameter. Step counts have one element, the rest what the parameter has.
static void checkFusedLists(const Operator& entry, const std::vector<c10::IValue>& stack) {
  const auto wrong = [&](size_t i) { throw BadArgument(entry.parameters[i].name + ": expected tensors that match those of self"); };
  const c10::List<at::Tensor> own = stack[0].toTensorList();
  for (size_t i = 1; i < stack.size(); ++i) {
    if (!stack[i].isTensorList()) continue;
    const c10::List<at::Tensor> list = stack[i].toTensorList();
    const bool isCount = entry.parameters[i].name == "state_steps";
    if (list.size() != own.size() && !list.empty()) wrong(i);
    for (size_t j = 0; j < list.size(); ++j) {
      const at::Tensor tensor = list.get(j), parameter = own.get(j);
      if (isCount ? tensor.numel() != 1 : !sameLayout(tensor, parameter)) wrong(i);
    }
  }
}

// call(operator, ...arguments): tensors are passed and returned as handles; left-out arguments take the schema's defaults.
static napi_value invoke(Call& call) {
  auto& operators = call.environment.operators;
  const int64_t index = toInt(call.env, call[0], "operator");
  if (index < 0 || index >= static_cast<int64_t>(operators.size())) throw BadArgument("operator: no such number");
  const Operator& entry = operators[index];
  const size_t given = call.count - 1;
  if (given > entry.parameters.size())
    throw BadArgument(entry.handle.schema().name() + " takes at most " + std::to_string(entry.parameters.size()) + " arguments");
  // The stack's memory is kept between calls. It is taken out of the environment meanwhile, because a backward hook may call again.
  std::vector<c10::IValue> stack = std::move(call.environment.stack);
  stack.clear();
  for (size_t i = 0; i < entry.parameters.size(); ++i) {
    const Parameter& parameter = entry.parameters[i];
    if (i < given) stack.push_back(toIValue(call, parameter, call[i + 1]));
    else if (parameter.hasDefault) stack.push_back(parameter.defaultValue);
    else if (parameter.optional) stack.emplace_back();
    else throw BadArgument(entry.handle.schema().name() + ": " + parameter.name + " is missing");
  }
  if (entry.isFused) checkFusedLists(entry, stack);
  entry.handle.callBoxed(stack);
  napi_value result = fromResults(call, entry, stack);
  stack.clear();
  call.environment.stack = std::move(stack);
  return result;
}

void defineDispatch(napi_env env, napi_value exports) {
  define(env, exports, {{"operator", guarded<resolve>}, {"schema", guarded<schema>}, {"call", guarded<invoke>}});
}

}  // namespace fastclip
