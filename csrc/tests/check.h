#pragma once

#include <functional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

/// A test runner in a page: TEST(name) { CHECK(...); CHECK_EQ(got, expected); CHECK_THROWS(Error, "part of what()",
/// ...); }
namespace check {

struct Failure : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct Test {
  const char* name;
  void (*body)();
};

inline std::vector<Test>& tests() {
  static std::vector<Test> all;
  return all;
}

struct Register {
  Register(const char* name, void (*body)()) { tests().push_back({name, body}); }
};

[[noreturn]] inline void fail(const char* file, int line, const std::string& what) {
  throw Failure(std::string(file) + ":" + std::to_string(line) + ": " + what);
}

template <class A, class B>
void equal(const A& got, const B& expected, const char* text, const char* file, int line) {
  if (got == expected) return;
  std::ostringstream s;
  s << text << ": got " << got << ", expected " << expected;
  fail(file, line, s.str());
}

template <class Error>
void throws(const std::function<void()>& body, const std::string& part, const char* text, const char* file, int line) {
  try {
    body();
  } catch (const Error& e) {
    if (std::string(e.what()).find(part) == std::string::npos) {
      fail(file, line, std::string(text) + ": expected \"" + part + "\" in \"" + e.what() + "\"");
    }
    return;
  }
  fail(file, line, std::string(text) + ": expected an exception");
}

}  // namespace check

#define TEST(name)                                                   \
  static void test_##name();                                         \
  static const check::Register register_##name(#name, &test_##name); \
  static void test_##name()
#define CHECK(condition) \
  if (!(condition)) check::fail(__FILE__, __LINE__, #condition)
#define CHECK_EQ(got, expected) check::equal((got), (expected), #got, __FILE__, __LINE__)
#define CHECK_THROWS(Error, part, ...) \
  check::throws<Error>([&] { static_cast<void>(__VA_ARGS__); }, part, #__VA_ARGS__, __FILE__, __LINE__)
