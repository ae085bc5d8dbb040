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
#include <vector>

namespace kgwalk {
namespace {

using Body = std::function<void(std::int64_t, std::int64_t)>;

thread_local bool inside_pool = false;

/// Persistent workers; worker k runs chunk k + 1 of each job, the caller chunk 0.
class Pool {
 public:
  explicit Pool(int workers) : pid_(getpid()) {
    for (int k = 0; k < workers; ++k) threads_.emplace_back([this, k] { work(k); });
  }
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;
  ~Pool() {
    if (forked()) {
      // The workers live in the parent process only: there is nothing to join here.
      for (auto& t : threads_) t.detach();
      return;
    }
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      stop_ = true;
    }
    wake_.notify_all();
    for (auto& t : threads_) t.join();
  }

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
    if (error_) std::rethrow_exception(error_);
  }

 private:
  void run_chunk(int chunk) {
    if (chunk >= chunks_) return;
    inside_pool = true;
    try {
      (*body_)(n_ * chunk / chunks_, n_ * (chunk + 1) / chunks_);
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
  std::vector<std::thread> threads_;
  std::mutex mutex_;
  std::condition_variable wake_, done_;
  const Body* body_ = nullptr;
  std::int64_t n_ = 0;
  int chunks_ = 0, pending_ = 0;
  std::uint64_t job_ = 0;
  bool stop_ = false;
  std::exception_ptr error_;
};

std::atomic<int> wanted_threads{1};
std::mutex pool_mutex;  // one job at a time; a second caller runs serially
std::unique_ptr<Pool> pool;

}  // namespace

int num_threads() { return wanted_threads; }

void set_num_threads(int n) {
  if (n < 1 || n > 256) throw std::invalid_argument("num_threads must be in [1, 256], got " + std::to_string(n));
  wanted_threads = n;
}

void parallel_for(std::int64_t n, std::int64_t grain, const Body& body) {
  if (n <= 0) return;
  const auto chunks = static_cast<int>(std::min<std::int64_t>(num_threads(), n / std::max<std::int64_t>(grain, 1)));
  std::unique_lock<std::mutex> lock(pool_mutex, std::defer_lock);
  if (chunks <= 1 || inside_pool || !lock.try_lock()) {
    body(0, n);
    return;
  }
  if (pool && pool->forked()) {
    // Its mutexes are in the state the parent left them: abandon it rather than touch them.
    static_cast<void>(pool.release());  // NOLINT(bugprone-unused-return-value): leaked on purpose
  }
  if (!pool || pool->workers() != num_threads() - 1) {
    pool.reset();
    pool = std::make_unique<Pool>(num_threads() - 1);
  }
  pool->run(n, chunks, body);
}

}  // namespace kgwalk
