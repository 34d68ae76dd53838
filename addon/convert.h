// JavaScript values to C++ and back.
#pragma once

#include "addon.h"

namespace fastclip {

double toDouble(napi_env env, napi_value value, const char* what);
int64_t toInt(napi_env env, napi_value value, const char* what);
bool toBool(napi_env env, napi_value value, const char* what);
at::ScalarType toDType(napi_env env, napi_value value, const char* what);
std::string toString(napi_env env, napi_value value, const char* what);
std::vector<int64_t> toIntList(napi_env env, napi_value value, const char* what);
const at::Tensor& toTensor(Call& call, napi_value value);  // that the call is about
const at::Tensor& toTensor(Call& call, napi_value value, const char* what);
std::vector<at::Tensor> toTensorList(Call& call, napi_value value, const char* what);
bool isNullish(napi_env env, napi_value value);

// One argument of an operator, of the type that its schema names.
c10::IValue toIValue(Call& call, const Parameter& parameter, napi_value value);

napi_value fromDouble(napi_env env, double value);
napi_value fromBool(napi_env env, bool value);
napi_value fromString(napi_env env, const std::string& value);
napi_value fromInts(napi_env env, at::IntArrayRef values);
napi_value fromDoubles(napi_env env, at::ArrayRef<double> values);
napi_value fromTensor(Call& call, at::Tensor tensor);
napi_value fromTensors(Call& call, const std::vector<at::Tensor>& tensors);
napi_value fromIValue(Call& call, c10::IValue value);
napi_value undefined(napi_env env);

}  // namespace fastclip
