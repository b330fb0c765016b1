// What few objects of a kind need, apart from them: a pointer while it is all as in the beginning.
//
// Reading is the same whether it is there or not: `object.rare->limit` is what T{} says while nobody has changed it.
// Who writes asks for it first, and may be refused.
#pragma once

#include <memory>
#include <new>
#include <utility>

namespace tcpco {

// T: a literal type with ==, copyable, without a user's destructor.
template <class T>
class cold_part {
public:
    cold_part() = default;
    cold_part(cold_part&&) noexcept = default;
    // Only explorations and tests copy; throws std::bad_alloc.
    cold_part(const cold_part& other) : part_{other.part_ ? new T{*other.part_} : nullptr} {}
    cold_part& operator=(cold_part other) noexcept
    {
        part_ = std::move(other.part_);
        return *this;
    }
    ~cold_part() = default;

    const T& operator*() const noexcept { return part_ ? *part_ : absent; }
    const T* operator->() const noexcept { return &**this; }

    // To change: null while it is not there; and made where it was not. Null then: memory is short.
    T* present() noexcept { return part_.get(); }
    T* make() noexcept
    {
        if (!part_) {
            part_.reset(new (std::nothrow) T{});
        }
        return part_.get();
    }

    // Gives it back, where it says nothing that T{} does not.
    void drop_if_default() noexcept
    {
        if (part_ && *part_ == absent) {
            part_.reset();
        }
    }

private:
    static constexpr T absent{};

    std::unique_ptr<T> part_{};
};

}  // namespace tcpco
