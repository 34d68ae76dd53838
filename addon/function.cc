// Functions of tensors whose derivative is written in JavaScript: nodes of autograd's graph that call back.
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/functions/utils.h>
#include <torch/csrc/autograd/saved_variable.h>

#include <thread>

#include "convert.h"

namespace fastclip {

using torch::autograd::variable_list;

// A JavaScript exception is pending; autograd's engine carries this one through instead.
struct DerivativeThrew : std::exception {
  const char* what() const noexcept override { return "a derivative threw"; }
};

class HandleScope {
 public:
  explicit HandleScope(napi_env env) : env_(env) { check(napi_open_handle_scope(env, &scope_)); }
  ~HandleScope() { napi_close_handle_scope(env_, scope_); }

 private:
  napi_env env_;
  napi_handle_scope scope_;
};

// derivative(gradient, kept, wanted) -> the gradients of the inputs, null where there is none
class FunctionNode final : public torch::autograd::Node {
 public:
  FunctionNode(Call& call, napi_value derivative, const variable_list& kept) : env_(call.env), references_(call.environment.buffers) {
    check(napi_create_reference(env_, derivative, 1, &derivative_));
    for (const at::Tensor& tensor : kept) kept_.emplace_back(tensor, false);
  }
  // A graph may die on any thread.
  ~FunctionNode() override { references_->finish(derivative_); }

  std::string name() const override { return "FunctionOfJavaScript"; }
  void release_variables() override {
    for (auto& tensor : kept_) tensor.reset_data();
  }

 protected:
  variable_list apply(variable_list&& gradients) override {
    if (std::this_thread::get_id() != thread_)
      throw std::runtime_error("a derivative in JavaScript is taken on the thread that called its function, which is so on a CPU alone");
    if (!gradients[0].defined()) return variable_list(num_outputs());
    try {
      const HandleScope scope(env_);
      return take(differentiate(gradients[0]));
    } catch (const PendingException&) {
      throw DerivativeThrew();
    }
  }

 private:
  napi_value handleOf(at::Tensor tensor) const { return fromDouble(env_, Environment::of(env_).tensors.add(std::move(tensor))); }

  template <class Element>
  napi_value array(size_t size, Element element) const {
    napi_value result;
    check(napi_create_array_with_length(env_, size, &result));
    for (uint32_t i = 0; i < size; ++i) check(napi_set_element(env_, result, i, element(i)));
    return result;
  }

  napi_value differentiate(const at::Tensor& gradient) {
    variable_list kept;
    for (const auto& tensor : kept_) kept.push_back(tensor.unpack());
    const napi_value arguments[] = {handleOf(gradient), array(kept.size(), [&](uint32_t i) { return handleOf(kept[i]); }),
                                    array(num_outputs(), [&](uint32_t i) { return fromBool(env_, task_should_compute_output(i)); })};
    napi_value function, receiver, result;
    check(napi_get_reference_value(env_, derivative_, &function));
    check(napi_get_undefined(env_, &receiver));
    check(napi_call_function(env_, receiver, function, std::size(arguments), arguments, &result));
    return result;
  }

  // The tensors of an array of handles, which are handles no more.
  variable_list take(napi_value handles) const {
    uint32_t length = 0;
    if (napi_get_array_length(env_, handles, &length) != napi_ok || length != num_outputs())
      throw std::runtime_error("a derivative gives a gradient, or null, for each input: expected an array of " + std::to_string(num_outputs()));
    variable_list gradients(length);
    TensorTable& tensors = Environment::of(env_).tensors;
    for (uint32_t i = 0; i < length; ++i) {
      napi_value entry;
      check(napi_get_element(env_, handles, i, &entry));
      if (isNullish(env_, entry)) continue;
      const double handle = toDouble(env_, entry, "a gradient");
      gradients[i] = tensors.get(handle);
      tensors.remove(handle);
    }
    return gradients;
  }

  napi_env env_;
  napi_ref derivative_ = nullptr;
  std::shared_ptr<BufferReferences> references_;
  std::vector<torch::autograd::SavedVariable> kept_;
  std::thread::id thread_ = std::this_thread::get_id();
};

// torch counts references to nodes in one way before 2.15 (a shared_ptr), and in another since.
[[maybe_unused]] static auto asNode(FunctionNode* node, const std::shared_ptr<torch::autograd::Node>*) { return std::shared_ptr<torch::autograd::Node>(node); }
template <class Pointer>
static auto asNode(FunctionNode* node, const Pointer*) { return Pointer::unsafe_steal_from_new(node); }

// recordFunction(inputs, output, kept, derivative) -> the output as a function of the inputs. What is kept is given to the derivative,
// and dropped with the graph.
static napi_value recordFunction(Call& call) {
  const variable_list inputs = toTensorList(call, call[0], "inputs");
  at::Tensor output = toTensor(call, call[1], "output").variable_data();
  const variable_list kept = toTensorList(call, call[2], "kept");
  napi_valuetype type;
  check(napi_typeof(call.env, call[3], &type));
  if (type != napi_function) throw BadArgument("derivative: expected a function");
  const decltype(torch::autograd::Edge::function) node =
      asNode(new FunctionNode(call, call[3], kept), static_cast<decltype(torch::autograd::Edge::function)*>(nullptr));
  node->set_next_edges(torch::autograd::collect_next_edges(inputs));
  torch::autograd::set_history(output, node);
  return fromTensor(call, std::move(output));
}

void defineFunction(napi_env env, napi_value exports) { define(env, exports, {{"recordFunction", guarded<recordFunction>}}); }

}  // namespace fastclip
