#include "core/ragged_loops.h"

#include <atomic>
#include <stdexcept>

// AVX-512 gains nothing over AVX2 here: the loops wait for memory.
#if defined(__x86_64__) && defined(__clang__)
#define KGWALK_BEGIN_AVX2 _Pragma("clang attribute push(__attribute__((target(\"avx2\"))), apply_to = function)")
#define KGWALK_END_AVX2 _Pragma("clang attribute pop")
#elif defined(__x86_64__) && defined(__GNUC__)
#define KGWALK_BEGIN_AVX2 _Pragma("GCC push_options") _Pragma("GCC target(\"avx2\")")
#define KGWALK_END_AVX2 _Pragma("GCC pop_options")
#endif

#ifdef __clang__
#define KGWALK_UNROLL _Pragma("unroll")
#else
#define KGWALK_UNROLL _Pragma("GCC unroll 8")  // keeps arrays of registers in registers
#endif

#define KGWALK_TARGET baseline
#define KGWALK_TARGET_NAME "baseline"
#define KGWALK_WIDTH 4
#include "core/ragged_loops.inl.h"

#ifdef KGWALK_BEGIN_AVX2
#undef KGWALK_TARGET
#undef KGWALK_TARGET_NAME
#undef KGWALK_WIDTH
#define KGWALK_TARGET avx2
#define KGWALK_TARGET_NAME "avx2"
#define KGWALK_WIDTH 8
KGWALK_BEGIN_AVX2
#include "core/ragged_loops.inl.h"
KGWALK_END_AVX2
#endif

namespace kgwalk {
namespace {

std::atomic<const RaggedLoops*> chosen{nullptr};

}  // namespace

std::vector<const RaggedLoops*> available_ragged_loops() {
  std::vector<const RaggedLoops*> loops{&baseline::kLoops};
#ifdef KGWALK_BEGIN_AVX2
  if (__builtin_cpu_supports("avx2")) loops.push_back(&avx2::kLoops);
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
