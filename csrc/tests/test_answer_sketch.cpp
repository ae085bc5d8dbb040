#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "core/answer_sketch.h"
#include "core/instruction_sets.h"
#include "core/rng.h"
#include "tests/check.h"

namespace kgwalk {
namespace {

std::vector<Edge> random_edges(std::size_t n, std::uint64_t entities, std::uint64_t stream) {
  CounterRng rng(3, stream);
  std::vector<Edge> edges(n);
  for (Edge& e : edges) e = {0, static_cast<EntityId>(rng.below(entities))};
  return edges;
}

std::vector<std::size_t> suspects(const AnswerSketch& sketch, Span<const Edge> row, std::int32_t a, std::int32_t b) {
  const std::int32_t always[2] = {a, b};
  std::vector<std::size_t> found;
  sketch.suspects(row, always, [&](std::size_t i) { found.push_back(i); });
  return found;
}

/// @param always  a slot that is a suspect whatever it holds
void check_sketch(const AnswerSketch& sketch, const std::vector<Edge>& answers, const std::vector<Edge>& row,
                  std::int32_t always) {
  for (const Edge& e : answers) CHECK(sketch.may_hold(e.tail));
  std::vector<std::size_t> expected;
  for (std::size_t i = 0; i < row.size(); ++i) {
    if (i % 3 == 0 && i < answers.size()) CHECK(sketch.may_hold(row[i].tail));
    if (sketch.may_hold(row[i].tail) || static_cast<std::int32_t>(i) == always) expected.push_back(i);
  }
  CHECK(suspects(sketch, row, always, -1) == expected);
  CHECK(suspects(sketch, row, -1, always) == expected);
}

}  // namespace

TEST(sketches_miss_no_answer) {
  for (const std::size_t n : {0, 1, 4, 5, 64, 1000, 5000}) {
    const std::vector<Edge> answers = random_edges(n, 50000, n);
    std::vector<SketchLine> lines(AnswerSketch::lines_for(n));
    if (!lines.empty()) AnswerSketch::mark(answers, lines.data(), lines.size());
    for (const std::size_t length : {0, 1, 63, 64, 65, 300}) {
      std::vector<Edge> row = random_edges(length, 50000, n + 7);
      for (std::size_t i = 0; i < std::min(length, n); i += 3) row[i] = answers[i];
      const auto last = static_cast<std::int32_t>(length) - 1;
      check_sketch(AnswerSketch(answers), answers, row, last);
      check_sketch(AnswerSketch(), answers, row, 0);
      if (!lines.empty()) check_sketch(AnswerSketch(lines.data(), lines.size()), answers, row, last);
    }
  }
}

TEST(sketches_clear_most_strangers) {
  const std::vector<Edge> strangers = random_edges(100000, 1 << 30, 1);
  for (const std::size_t n : {5, 20, 64, 65, 1000}) {
    const std::vector<Edge> answers = random_edges(n, 1 << 30, 0);
    std::vector<SketchLine> lines(AnswerSketch::lines_for(n));
    AnswerSketch::mark(answers, lines.data(), lines.size());
    CHECK(suspects(AnswerSketch(lines.data(), lines.size()), strangers, -1, -1).size() < strangers.size() / 15);
  }
  CHECK_EQ(suspects(AnswerSketch(), strangers, -1, -1).size(), strangers.size());
}

TEST(edge_loops_do_the_same_for_every_cpu) {
  const std::string in_use = name_of(instruction_set());
  const std::vector<Edge> answers = random_edges(40, 1 << 20, 0);
  std::vector<SketchLine> lines(4);
  for (const std::size_t count : {2, 4}) {
    std::fill(lines.begin(), lines.end(), SketchLine{});
    AnswerSketch::mark(answers, lines.data(), count);
    const AnswerSketch sketch(lines.data(), count);
    for (std::size_t n = 0; n < 140; ++n) {
      std::vector<Edge> row = random_edges(n, 1 << 20, n);
      for (std::size_t i = 0; i < std::min(n, answers.size()); i += 2) row[i] = answers[i];
      if (n > 3) row[1].tail = -1;  // as a corrupt file may have it
      if (n > 3) row[3].tail = std::numeric_limits<EntityId>::max();
      std::vector<std::vector<std::size_t>> found;
      std::vector<std::vector<std::int32_t>> split;
      for (const InstructionSet set : available_instruction_sets()) {
        use_instruction_set(name_of(set));
        found.push_back(suspects(sketch, row, -1, -1));
        split.emplace_back(2 * n);
        edge_loops().split(row.data(), static_cast<std::int64_t>(n), split.back().data(), split.back().data() + n);
      }
      for (std::size_t j = 0; j < n; ++j) {
        CHECK_EQ(split[0][j], row[j].relation);
        CHECK_EQ(split[0][n + j], row[j].tail);
      }
      CHECK(found.front() == found.back());
      CHECK(split.front() == split.back());
    }
  }
  use_instruction_set(in_use);
}

}  // namespace kgwalk
