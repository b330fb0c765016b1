// An object of zeros, cleared by a few wide stores.
//
// `T t{}` of more than some 100 octets is a string instruction (rep stos) where g++ compiles for no processor in
// particular, and to begin one takes as long as fifty stores do.
#pragma once

#include <cstddef>
#include <cstring>
#include <new>
#include <type_traits>
#include <utility>

namespace tcpco::detail {

// T: an aggregate of numbers. All its members are zero, whatever T{} would make of them.
template <class T>
class cleared {
public:
    static_assert(std::is_aggregate_v<T> && std::is_trivially_copyable_v<T> && std::is_trivially_destructible_v<T>);

    cleared() noexcept
    {
        [this]<std::size_t... i>(std::index_sequence<i...>) {
            (std::memset(room_ + i * line, 0, line), ...);  // without a loop
        }(std::make_index_sequence<sizeof(room_) / line>{});
    }
    cleared(const cleared&) = delete;
    cleared& operator=(const cleared&) = delete;

    T& operator*() noexcept { return *std::launder(reinterpret_cast<T*>(room_)); }

private:
    static constexpr std::size_t line = 64;
    alignas(T) alignas(16) std::byte room_[(sizeof(T) + line - 1) / line * line];
};

}  // namespace tcpco::detail
