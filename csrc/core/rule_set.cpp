#include "core/rule_set.h"

#include <stdexcept>
#include <string>

#include "core/pieces.h"

namespace kgwalk {
namespace {

[[noreturn]] void refuse(std::size_t rule, const std::string& what) {
  throw std::invalid_argument("rule " + std::to_string(rule) + ": " + what);
}

void check_id(std::int64_t id, std::int64_t low, std::int64_t high, const char* name, std::size_t at) {
  if (id >= low && id < high) return;
  throw std::out_of_range(std::string(name) + "[" + std::to_string(at) + "] is " + std::to_string(id) +
                          ", expected it in [" + std::to_string(low) + ", " + std::to_string(high) + ")");
}

}  // namespace

void RuleSet::check(EntityId num_entities, RelationId num_relations) const {
  const std::size_t n = size();
  check_length(head_constant.size(), n, "head_constant");
  check_length(body_offsets.size(), n + 1, "body_offsets");
  check_length(body_constant.size(), n, "body_constant");
  check_length(support.size(), n, "support");
  check_length(predictions.size(), n, "predictions");
  check_length(confidence.size(), n, "confidence");
  check_offsets(body_offsets, body.size(), "body_offsets");
  const std::int64_t directed = 2 * static_cast<std::int64_t>(num_relations);
  for (std::size_t i = 0; i < body.size(); ++i) check_id(body[i], 0, directed, "body", i);
  for (std::size_t i = 0; i < n; ++i) {
    check_id(head[i], 0, directed, "head", i);
    check_id(head_constant[i], kSelf, num_entities, "head_constant", i);
    check_id(body_constant[i], kSelf, num_entities, "body_constant", i);
    if (kind(i) == RuleKind::kCyclic) {
      if (body_of(i).empty()) refuse(i, "expected a body, got a cyclic rule without one");
      if (head[i] >= num_relations) refuse(i, "expected a forward relation as head of a cyclic rule, got an inverse");
    }
    if (body_constant[i] != kVariable && (kind(i) == RuleKind::kCyclic || kind(i) == RuleKind::kZero)) {
      refuse(i, "expected no body_constant in a cyclic or zero rule, got " + std::to_string(body_constant[i]));
    }
    if (support[i] < 0 || support[i] > predictions[i]) {
      refuse(i, "expected 0 <= support <= predictions, got support " + std::to_string(support[i]) +
                    " and predictions " + std::to_string(predictions[i]));
    }
    if (!(confidence[i] >= 0 && confidence[i] <= 1)) {  // so that NaN is refused too
      refuse(i, "expected a confidence in [0, 1], got " + std::to_string(confidence[i]));
    }
  }
}

RuleSet RuleSet::select(Span<const std::int64_t> rules) const {
  const auto n = static_cast<std::int64_t>(size());
  for (std::size_t i = 0; i < rules.size(); ++i) check_id(rules[i], 0, n, "indices", i);
  RuleSet chosen;
  const auto take = [&](const auto& from, auto& to) {
    to.reserve(rules.size());
    for (const std::int64_t rule : rules) to.push_back(from[static_cast<std::size_t>(rule)]);
  };
  take(head, chosen.head);
  take(head_constant, chosen.head_constant);
  take(body_constant, chosen.body_constant);
  take(support, chosen.support);
  take(predictions, chosen.predictions);
  take(confidence, chosen.confidence);
  chosen.body_offsets.reserve(rules.size() + 1);
  for (const std::int64_t rule : rules) {
    const Span<const RelationId> atoms = body_of(static_cast<std::size_t>(rule));
    chosen.body.insert(chosen.body.end(), atoms.begin(), atoms.end());
    chosen.body_offsets.push_back(static_cast<std::int64_t>(chosen.body.size()));
  }
  return chosen;
}

}  // namespace kgwalk
