#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <mutex>
#include <thread>

#include "core/rng.h"
#include "core/thread_pool.h"
#include "tests/check.h"

namespace {
bool forked_child = false;
}

/// Asked by the leak checker, which cannot see the stacks of the parent's threads from a child.
extern "C" int __lsan_is_turned_off() { return forked_child; }

namespace kgwalk {
namespace {

#if defined(__SANITIZE_THREAD__)
constexpr bool kThreadSanitizer = true;
#else
constexpr bool kThreadSanitizer = false;
#endif

struct Threads {
  explicit Threads(int n) { set_num_threads(n); }
  ~Threads() { set_num_threads(1); }
};

std::vector<int> covered(std::int64_t n, std::int64_t grain) {
  std::vector<int> hits(static_cast<std::size_t>(n), 0);
  parallel_for(n, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) ++hits[static_cast<std::size_t>(i)];
  });
  return hits;
}

}  // namespace

TEST(threads_do_every_row_once) {
  for (const int threads : {1, 2, 5}) {
    const Threads scope(threads);
    for (const std::int64_t n : {0, 1, 2, 7, 100, 1001}) {
      for (const std::int64_t grain : {0, 1, 10, 100000}) {
        CHECK(covered(n, grain) == std::vector<int>(static_cast<std::size_t>(n), 1));
      }
    }
  }
}

TEST(threads_hand_on_the_exception_of_any_chunk) {
  const Threads scope(3);
  for (const std::int64_t bad : {0, 50, 99}) {
    const auto body = [bad](std::int64_t begin, std::int64_t end) {
      if (begin <= bad && bad < end) throw std::out_of_range("row " + std::to_string(bad));
    };
    CHECK_THROWS(std::out_of_range, "row " + std::to_string(bad), parallel_for(100, 1, body));
  }
  CHECK(covered(100, 1) == std::vector<int>(100, 1));  // and go on
}

TEST(threads_run_inner_calls_serially) {
  const Threads scope(2);
  std::atomic<int> rows{0};
  parallel_for(4, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i)
      parallel_for(10, 1, [&](auto b, auto e) { rows += static_cast<int>(e - b); });
  });
  CHECK_EQ(rows.load(), 40);
}

TEST(threads_serve_several_callers_while_their_number_changes) {
  const Threads scope(2);
  std::atomic<bool> stop{false};
  std::atomic<int> wrong{0};
  std::thread setter([&] {
    for (int n = 1; !stop; n = n % 4 + 1) set_num_threads(n);
  });
  std::vector<std::thread> callers;
  for (int k = 0; k < 2; ++k) {
    callers.emplace_back([&] {
      for (int i = 0; i < 200; ++i) wrong += covered(64, 1) != std::vector<int>(64, 1);
    });
  }
  for (auto& t : callers) t.join();
  stop = true;
  setter.join();
  CHECK_EQ(wrong.load(), 0);
}

TEST(threads_work_and_end_in_a_forked_child) {
  if (kThreadSanitizer) return;  // it does not follow forks of threaded programs
  const Threads scope(3);
  CHECK(covered(100, 1) == std::vector<int>(100, 1));
  const pid_t child = fork();
  if (child == 0) {
    forked_child = true;
    alarm(20);
    const bool ok = covered(100, 1) == std::vector<int>(100, 1);
    std::exit(ok ? 0 : 1);  // runs the destructors of statics, the pool's too
  }
  int status = -1;
  CHECK_EQ(waitpid(child, &status, 0), child);
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

TEST(threads_refuse_a_senseless_number) {
  CHECK_THROWS(std::invalid_argument, "num_threads", set_num_threads(0));
  CHECK_THROWS(std::invalid_argument, "num_threads", set_num_threads(257));
}

TEST(rng_gives_the_published_philox_blocks) {
  const auto same = [](const Philox& p, std::uint32_t a, std::uint32_t b, std::uint32_t c, std::uint32_t d) {
    return p.word[0] == a && p.word[1] == b && p.word[2] == c && p.word[3] == d;
  };
  CHECK(same(Philox(0, 0, 0), 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8));
  CHECK(same(Philox(~0ull, ~0ull, ~0ull), 0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd));
  CHECK(same(Philox(0x299f31d0a4093822ull, 0x0370734413198a2eull, 0x85a308d3243f6a88ull), 0xd16cfe09, 0x94fdcceb,
             0x5001e420, 0x24126ea1));
}

TEST(rng_streams_are_functions_of_seed_stream_and_counter) {
  CounterRng a(1, 2), b(1, 2), other_stream(1, 3), other_seed(2, 2);
  const std::uint64_t first = a.next();
  CHECK_EQ(b.next(), first);
  CHECK(other_stream.next() != first && other_seed.next() != first);
  const std::uint64_t second = a.next();
  CHECK_EQ(CounterRng(1, 2, 1).next(), second);
  CHECK_EQ(a.counter(), std::uint64_t{2});
}

TEST(rng_is_uniform) {
  CounterRng rng(5, 0);
  std::vector<int> bins(10, 0);
  double sum = 0;
  for (int i = 0; i < 100000; ++i) {
    ++bins[rng.below(10)];
    const double u = rng.uniform();
    CHECK(u >= 0 && u < 1);
    sum += u;
  }
  for (const int count : bins) CHECK(count > 9500 && count < 10500);  // five standard deviations
  CHECK(sum > 49500 && sum < 50500);
  CHECK_EQ(rng.below(1), std::uint64_t{0});
}

}  // namespace kgwalk
