// Where a coroutine leaves its value or its exception until somebody takes it.
#pragma once

#include <exception>
#include <memory>
#include <type_traits>
#include <utility>
#include <variant>

#include "tcpco/core/assert.hpp"

namespace tcpco::detail {

template <class T>
class result_slot {
public:
    template <class U>
    void emplace(U&& value)
    {
        if constexpr (std::is_void_v<T>) {
            slot_.template emplace<1>();
        } else if constexpr (std::is_reference_v<T>) {
            slot_.template emplace<1>(std::addressof(value));
        } else {
            slot_.template emplace<1>(std::forward<U>(value));
        }
    }

    void fail(std::exception_ptr e) noexcept { slot_.template emplace<2>(std::move(e)); }
    bool failed() const noexcept { return slot_.index() == 2; }

    // Only if failed().
    const std::exception_ptr& exception() const { return std::get<2>(slot_); }

    // Once; rethrows.
    T take()
    {
        TCPCO_ASSERT(slot_.index() != 0);
        if (failed()) {
            std::rethrow_exception(std::move(std::get<2>(slot_)));
        }
        if constexpr (std::is_reference_v<T>) {
            return static_cast<T>(*std::get<1>(slot_));
        } else if constexpr (!std::is_void_v<T>) {
            return std::move(std::get<1>(slot_));
        }
    }

private:
    struct nothing {};
    using stored = std::conditional_t<
        std::is_void_v<T>, nothing,
        std::conditional_t<std::is_reference_v<T>, std::add_pointer_t<std::remove_reference_t<T>>, T>>;

    std::variant<std::monostate, stored, std::exception_ptr> slot_;
};

}  // namespace tcpco::detail
