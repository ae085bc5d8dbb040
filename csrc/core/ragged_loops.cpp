#include "core/ragged_loops.h"

#include <atomic>
#include <stdexcept>

#if defined(__x86_64__) && defined(__clang__)
#define KGWALK_PUSH_AVX2 _Pragma("clang attribute push(__attribute__((target(\"avx2\"))), apply_to = function)")
#define KGWALK_PUSH_AVX512 _Pragma("clang attribute push(__attribute__((target(\"avx512f\"))), apply_to = function)")
#define KGWALK_POP _Pragma("clang attribute pop")
#elif defined(__x86_64__) && defined(__GNUC__)
#define KGWALK_PUSH_AVX2 _Pragma("GCC push_options") _Pragma("GCC target(\"avx2\")")
#define KGWALK_PUSH_AVX512 _Pragma("GCC push_options") _Pragma("GCC target(\"avx512f\")")
#define KGWALK_POP _Pragma("GCC pop_options")
#endif

#define KGWALK_TARGET baseline
#define KGWALK_TARGET_NAME "baseline"
#define KGWALK_WIDTH 4
#include "core/ragged_loops.inl.h"
#undef KGWALK_TARGET
#undef KGWALK_TARGET_NAME
#undef KGWALK_WIDTH

#ifdef KGWALK_POP
KGWALK_PUSH_AVX2
#define KGWALK_TARGET avx2
#define KGWALK_TARGET_NAME "avx2"
#define KGWALK_WIDTH 8
#include "core/ragged_loops.inl.h"
#undef KGWALK_TARGET
#undef KGWALK_TARGET_NAME
#undef KGWALK_WIDTH
KGWALK_POP

KGWALK_PUSH_AVX512
#define KGWALK_TARGET avx512
#define KGWALK_TARGET_NAME "avx512"
#define KGWALK_WIDTH 16
#include "core/ragged_loops.inl.h"
#undef KGWALK_TARGET
#undef KGWALK_TARGET_NAME
#undef KGWALK_WIDTH
KGWALK_POP
#endif

namespace kgwalk {
namespace {

std::atomic<const RaggedLoops*> chosen{nullptr};

}  // namespace

std::vector<const RaggedLoops*> available_ragged_loops() {
  std::vector<const RaggedLoops*> loops{&baseline::kLoops};
#ifdef KGWALK_POP
  if (__builtin_cpu_supports("avx2")) loops.push_back(&avx2::kLoops);
  if (__builtin_cpu_supports("avx512f")) loops.push_back(&avx512::kLoops);
#endif
  return loops;
}

const RaggedLoops& ragged_loops() {
  const RaggedLoops* loops = chosen.load(std::memory_order_relaxed);
  if (loops == nullptr) chosen.store(loops = available_ragged_loops().back(), std::memory_order_relaxed);
  return *loops;
}

void use_ragged_loops(const std::string& name) {
  for (const RaggedLoops* loops : available_ragged_loops()) {
    if (loops->name != name) continue;
    chosen = loops;
    return;
  }
  throw std::invalid_argument("no ragged loops for " + name + " on this CPU");
}

}  // namespace kgwalk
