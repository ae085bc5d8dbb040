#include "core/thread_pool.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <exception>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace kgwalk {
namespace {

using Body = std::function<void(std::int64_t, std::int64_t)>;

thread_local bool inside_pool = false;

/// Persistent workers; worker k runs chunk k + 1 of each job, the caller chunk 0.
class Pool {
 public:
  explicit Pool(int workers) : pid_(getpid()) {
    try {
      for (int k = 0; k < workers; ++k) threads_.emplace_back([this, k] { work(k); });
    } catch (...) {  // the system has no more threads to give
      join();
      throw;
    }
  }
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;
  ~Pool() { join(); }

  bool forked() const { return pid_ != getpid(); }
  int workers() const { return static_cast<int>(threads_.size()); }

  void run(std::int64_t n, int chunks, const Body& body) {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      body_ = &body;
      n_ = n;
      chunks_ = chunks;
      pending_ = workers();
      error_ = nullptr;
      ++job_;
    }
    wake_.notify_all();
    run_chunk(0);
    std::unique_lock<std::mutex> lock(mutex_);
    done_.wait(lock, [this] { return pending_ == 0; });
    body_ = nullptr;
    if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
  }

 private:
  void join() {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      stop_ = true;
    }
    wake_.notify_all();
    for (auto& t : threads_) t.join();
  }

  void run_chunk(int chunk) {
    if (chunk >= chunks_) return;
    const std::int64_t begin = n_ * chunk / chunks_;
    const std::int64_t end = n_ * (chunk + 1) / chunks_;
    inside_pool = true;
    try {
      (*body_)(begin, end);
    } catch (...) {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (!error_) error_ = std::current_exception();
    }
    inside_pool = false;
  }

  void work(int k) {
    std::uint64_t seen = 0;
    for (;;) {
      {
        std::unique_lock<std::mutex> lock(mutex_);
        wake_.wait(lock, [&] { return stop_ || job_ != seen; });
        if (stop_) return;
        seen = job_;
      }
      run_chunk(k + 1);
      {
        const std::lock_guard<std::mutex> lock(mutex_);
        if (--pending_ == 0) done_.notify_one();
      }
    }
  }

  const pid_t pid_;
  std::mutex mutex_;
  std::condition_variable wake_, done_;
  const Body* body_ = nullptr;
  std::int64_t n_ = 0;
  int chunks_ = 0, pending_ = 0;
  std::uint64_t job_ = 0;
  bool stop_ = false;
  std::exception_ptr error_;
  std::vector<std::thread> threads_;
};

std::atomic<int> wanted_threads{1};
std::mutex pool_mutex;  // one job at a time; a second caller runs serially
/// In a forked child the workers do not exist and the mutexes are as the parent left them (destroying a condition
/// variable that threads wait on never returns): the child abandons the pool instead.
struct JoinUnlessForked {
  void operator()(Pool* p) const {
    if (!p->forked()) delete p;
  }
};
std::unique_ptr<Pool, JoinUnlessForked> pool;

}  // namespace

int num_threads() { return wanted_threads; }

void set_num_threads(int n) {
  if (n < 1 || n > 256) throw std::invalid_argument("num_threads must be in [1, 256], got " + std::to_string(n));
  wanted_threads = n;
}

void parallel_for(std::int64_t n, std::int64_t grain, const Body& body) {
  if (n <= 0) return;
  const int threads = num_threads();  // read once: another thread may set it meanwhile
  const auto chunks = static_cast<int>(std::min<std::int64_t>(threads, n / std::max<std::int64_t>(grain, 1)));
  std::unique_lock<std::mutex> lock(pool_mutex, std::defer_lock);
  if (chunks <= 1 || inside_pool || !lock.try_lock()) {
    body(0, n);
    return;
  }
  if (!pool || pool->forked() || pool->workers() != threads - 1) {
    pool.reset();
    pool.reset(new Pool(threads - 1));
  }
  pool->run(n, chunks, body);
}

}  // namespace kgwalk
