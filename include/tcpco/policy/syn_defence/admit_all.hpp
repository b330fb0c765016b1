// Every SYN gets a record, for as long as the stack's own pools have one: for tests and trusted networks.
#pragma once

#include <type_traits>

#include "tcpco/policy/concepts.hpp"

namespace tcpco::syn {

class admit_all {
public:
    struct config {};

    constexpr admit_all() noexcept = default;
    constexpr explicit admit_all(const config&) noexcept {}

    constexpr syn_answer admit(const syn_info&) const noexcept { return syn_answer::accept; }
};

static_assert(syn_defence<admit_all> && std::is_empty_v<admit_all>);

}  // namespace tcpco::syn
