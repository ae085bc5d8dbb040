// Includes the file KGWALK_LOOPS once per instruction set, with lanes.inl.h before it: each copy lives in a namespace
// of its own, kgwalk::baseline or kgwalk::avx2. Nothing in it may call an inline function of another header, which
// would be compiled for the wrong CPU. Include what it needs beforehand.

#ifdef __x86_64__
#include <immintrin.h>
#endif

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
#define KGWALK_WIDTH 4
#include "core/lanes.inl.h"
#include KGWALK_LOOPS

#ifdef KGWALK_BEGIN_AVX2
#undef KGWALK_TARGET
#undef KGWALK_WIDTH
#define KGWALK_TARGET avx2
#define KGWALK_WIDTH 8
KGWALK_BEGIN_AVX2
#include "core/lanes.inl.h"
#include KGWALK_LOOPS
KGWALK_END_AVX2
#endif
