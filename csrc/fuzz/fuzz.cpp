#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <fstream>
#include <iterator>

#include "fuzz/mutate.h"
#include "fuzz/targets.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
extern "C" const char* __asan_default_options() { return "handle_abort=1:detect_leaks=1:allocator_may_return_null=0"; }
#endif

namespace {

struct Current {
  const char* target = "";
  std::uint64_t number = 0;
  std::string input;
} current;

/// Leaves the input that was being read in a file; runs when the process dies, so it allocates nothing.
void leave_input() {
  char path[96];
  std::snprintf(path, sizeof path, "crash-%s-%llu.bin", current.target,
                static_cast<unsigned long long>(current.number));
  if (std::FILE* f = std::fopen(path, "wb")) {
    std::fwrite(current.input.data(), 1, current.input.size(), f);
    std::fclose(f);
  }
  std::fprintf(stderr, "input %llu for %s left in %s; run it again with: fuzz.bin replay %s %s\n",
               static_cast<unsigned long long>(current.number), current.target, path, current.target, path);
}

bool run(const kgwalk::Target& target) {
  current.target = target.name;
  try {
    return target.run(current.input);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "unexpected exception: %s\n", e.what());
    leave_input();
    std::exit(1);
  }
}

int replay(const char* name, const char* path) {
  std::ifstream file(path, std::ios::binary);
  current.input.assign(std::istreambuf_iterator<char>(file), {});
  for (const kgwalk::Target& target : kgwalk::targets()) {
    if (std::strcmp(target.name, name) != 0) continue;
    std::printf("%s\n", run(target) ? "accepted" : "refused");
    return 0;
  }
  std::fprintf(stderr, "no target %s\n", name);
  return 2;
}

}  // namespace

/// fuzz.bin [INPUTS [SEED]]: mutated seeds to every reader in turn. Input i is a function of (SEED, i).
/// fuzz.bin replay TARGET FILE: one input again.
int main(int argc, char** argv) {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_set_death_callback(&leave_input);
#endif
  if (argc == 4 && std::strcmp(argv[1], "replay") == 0) return replay(argv[2], argv[3]);
  const std::uint64_t inputs = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 1000000;
  const std::uint64_t seed = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 1;
  const auto start = std::chrono::steady_clock::now();
  const std::vector<kgwalk::Target> targets = kgwalk::targets();
  std::vector<kgwalk::Mutator> mutators;
  for (const kgwalk::Target& target : targets) {
    mutators.emplace_back(target.tokens);
    for (const std::string& input : target.seeds) {
      current.input = input;
      if (run(target)) continue;
      std::fprintf(stderr, "a seed of %s is refused\n", target.name);
      return 1;
    }
  }
  std::vector<std::uint64_t> accepted(targets.size(), 0), read(targets.size(), 0);
  for (std::uint64_t i = 0; i < inputs; ++i) {
    kgwalk::CounterRng rng(seed, i);
    const std::size_t t = i % targets.size();
    const auto& seeds = targets[t].seeds;
    current.number = i;
    current.input = seeds[rng.below(seeds.size())];
    mutators[t](current.input, seeds[rng.below(seeds.size())], rng);
    accepted[t] += run(targets[t]);
    ++read[t];
  }
  for (std::size_t t = 0; t < targets.size(); ++t) {
    std::printf("%-14s %10llu inputs, %llu accepted\n", targets[t].name, static_cast<unsigned long long>(read[t]),
                static_cast<unsigned long long>(accepted[t]));
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  std::printf("%llu inputs, seed %llu, no crash, %.1f s\n", static_cast<unsigned long long>(inputs),
              static_cast<unsigned long long>(seed), took.count());
  return 0;
}
