// Objects named by an index and a generation: connections, listeners, segments in flight.
//
// What refers to an object keeps its `slab_id`, not its address. An id whose object is gone answers nullptr, even when
// its cell serves another object by now, and a slab can be copied with all that its objects say of each other. Cells
// lie in chunks that never move, so a `T&` is good until that object is erased.
//
// Left out: shrinking. Chunks stay until the slab ends, so that the steady state allocates nothing.
#pragma once

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <utility>

#include "tcpco/core/assert.hpp"
#include "tcpco/storage/buffer.hpp"
#include "tcpco/storage/growable_array.hpp"

namespace tcpco {

// Names one object of a slab. Generation 0 names none; of two objects in one cell the generations differ (until 2^31
// of them were there).
struct slab_id {
    std::uint32_t index = 0;
    std::uint32_t generation = 0;

    constexpr explicit operator bool() const noexcept { return generation != 0; }
    friend constexpr bool operator==(slab_id, slab_id) noexcept = default;
};

// What an owner keeps of an object that nobody else erases: it needs no generation.
struct owned_slab_id {
    static constexpr std::uint32_t none = 0xFFFFFFFF;

    std::uint32_t index = none;

    constexpr owned_slab_id() = default;
    constexpr owned_slab_id(slab_id id) noexcept : index{id ? id.index : none} {}  // NOLINT: implicit on purpose
    constexpr explicit operator bool() const noexcept { return index != none; }
};

namespace detail {

// What a slab does whatever it holds, apart from the slab so that it is compiled once: its chunks, and which of their
// cells are free.
class slab_cells {
public:
    std::uint32_t size() const noexcept { return size_; }
    bool empty() const noexcept { return size_ == 0; }
    std::uint32_t limit() const noexcept { return limit_; }
    std::uint32_t capacity() const noexcept { return cells_; }  // every index is below it; it never falls
    std::uint64_t refused() const noexcept { return refused_; }

protected:
    static constexpr std::uint32_t none = 0xFFFFFFFF;
    static constexpr std::size_t line = 64;

    // Behind each object.
    struct cell_state {
        std::uint32_t generation = 0;  // odd while an object is there
        std::uint32_t next_free = none;

        bool occupied() const noexcept { return (generation & 1) != 0; }
    };

    struct chunk_shape {
        std::uint32_t cells;
        std::size_t cell_octets;
        std::size_t object_octets;
        std::size_t state;  // where in a cell that is
    };

    explicit slab_cells(std::uint32_t limit) noexcept : limit_{limit} {}
    slab_cells(slab_cells&& other) noexcept : limit_{other.limit_} { swap(other); }
    slab_cells(const slab_cells&) = delete;
    slab_cells& operator=(const slab_cells&) = delete;
    ~slab_cells() = default;

    void swap(slab_cells& other) noexcept
    {
        std::swap(chunks_, other.chunks_);
        std::swap(limit_, other.limit_);
        std::swap(cells_, other.cells_);
        std::swap(size_, other.size_);
        std::swap(free_, other.free_);
        std::swap(refused_, other.refused_);
    }

    // Appends a chunk, its cells free, lowest index first.
    bool add_chunk(const chunk_shape& shape) noexcept
    {
        const std::size_t n = cells_ / shape.cells;
        if (n == chunks_.size() && !chunks_.grow(4, none / shape.cells)) {
            return false;
        }
        void* const memory =
            ::operator new(shape.cells * shape.cell_octets, std::align_val_t{line}, std::nothrow);
        if (memory == nullptr) {
            return false;
        }
        auto* const chunk = static_cast<std::byte*>(memory);
        for (std::uint32_t i = shape.cells; i-- > 0;) {
            std::byte* const cell = chunk + i * shape.cell_octets;
            poison(cell, shape.object_octets);
            ::new (cell + shape.state) cell_state{.next_free = free_};
            free_ = cells_ + i;
        }
        chunks_[n] = chunk;
        cells_ += shape.cells;
        return true;
    }

    // All objects are gone.
    void free_chunks(const chunk_shape& shape) noexcept
    {
        for (std::size_t n = 0; n < cells_ / shape.cells; ++n) {
            unpoison(chunks_[n], shape.cells * shape.cell_octets);
            ::operator delete(chunks_[n], std::align_val_t{line});
        }
    }

    growable_array<std::byte*> chunks_{};
    std::uint32_t limit_;
    std::uint32_t cells_ = 0;
    std::uint32_t size_ = 0;
    std::uint32_t free_ = none;
    std::uint64_t refused_ = 0;
};

}  // namespace detail

template <class T>
class slab : public detail::slab_cells {
public:
    // Holds `limit` objects at most; allocates nothing yet.
    explicit slab(std::uint32_t limit) noexcept : slab_cells{limit} {}
    slab(slab&& other) noexcept = default;
    // The same objects under the same ids, for explorations that fork a stack. Ends the program when memory is short.
    slab(const slab& other)
        requires std::copy_constructible<T>
        : slab{other.limit_}
    {
        while (cells_ < other.cells_) {
            if (!add_chunk(shape)) {
                detail::assertion_failed("memory for the copy of a slab", __FILE__, __LINE__);
            }
        }
        for (std::uint32_t i = 0; i < cells_; ++i) {
            copy_cell(other.cell_at(i), cell_at(i));
        }
        size_ = other.size_;
        free_ = other.free_;
        refused_ = other.refused_;
    }
    slab& operator=(slab other) noexcept
    {
        swap(other);
        return *this;
    }
    ~slab()
    {
        clear();
        free_chunks(shape);
    }

    // Makes an object. The id is false when `limit` objects are there or memory is short; that is counted in refused().
    // Without arguments it is made as `T t;`: T{} would clear all of it before its members are given their values.
    template <class... Args>
    slab_id emplace(Args&&... args)
    {
        if (size_ == limit_ || (free_ == none && !add_chunk(shape))) {
            ++refused_;
            return {};
        }
        const std::uint32_t index = free_;
        cell& c = cell_at(index);
        free_ = c.state.next_free;  // first, since the constructor may make objects too
        ++size_;
        detail::unpoison(c.storage, sizeof(T));
        if constexpr (sizeof...(Args) == 0) {
            ::new (static_cast<void*>(c.storage)) T;
        } else {
            ::new (static_cast<void*>(c.storage)) T(std::forward<Args>(args)...);
        }
        return {index, ++c.state.generation};
    }

    // The object, or nullptr when it was erased. Any id may be asked for, also one of another slab.
    T* get(slab_id id) noexcept { return const_cast<T*>(std::as_const(*this).get(id)); }
    const T* get(slab_id id) const noexcept
    {
        if (id.index >= cells_ || (id.generation & 1) == 0) {
            return nullptr;
        }
        const cell& c = cell_at(id.index);
        return c.state.generation == id.generation ? c.object() : nullptr;
    }

    // Its owner's object, or nullptr where he has none.
    T* get(owned_slab_id id) noexcept { return id ? &at(id.index) : nullptr; }
    const T* get(owned_slab_id id) const noexcept { return id ? &at(id.index) : nullptr; }

    // The object in cell `index`, which must hold one.
    T& at(std::uint32_t index) noexcept
    {
        TCPCO_ASSERT(occupied(index));
        return *cell_at(index).object();
    }
    const T& at(std::uint32_t index) const noexcept
    {
        TCPCO_ASSERT(occupied(index));
        return *cell_at(index).object();
    }

    // Whether cell `index` holds an object; and the id of the object there, false when there is none.
    bool occupied(std::uint32_t index) const noexcept { return index < cells_ && cell_at(index).state.occupied(); }
    slab_id id_of(std::uint32_t index) const noexcept
    {
        return occupied(index) ? slab_id{index, cell_at(index).state.generation} : slab_id{};
    }

    // Destroys the object at once; its id answers nullptr already while the destructor runs. False when it was gone.
    bool erase(slab_id id) noexcept
    {
        if (!holds(id)) {
            return false;
        }
        cell& c = cell_at(id.index);
        ++c.state.generation;
        --size_;
        std::destroy_at(c.object());
        detail::poison(c.storage, sizeof(T));
        c.state.next_free = free_;
        free_ = id.index;
        return true;
    }

    bool erase(owned_slab_id id) noexcept { return id && erase(id_of(id.index)); }

    void clear() noexcept
    {
        for (std::uint32_t i = 0; i < cells_; ++i) {
            erase(id_of(i));
        }
    }

    // Calls fn(slab_id, T&) for each object in the order of indices. fn may erase any object; one it makes may be
    // visited.
    template <class F>
    void for_each(F&& fn)
    {
        for (std::uint32_t i = 0; i < cells_; ++i) {
            if (const slab_id id = id_of(i)) {
                fn(id, at(i));
            }
        }
    }

private:
    // Eight: what AddressSanitizer can poison by itself. A cache line, where cells are whole lines: then it matters in
    // which line of an object a member stands.
    static constexpr std::size_t natural = alignof(T) < 8 ? 8 : alignof(T);
    static constexpr std::size_t alignment =
        (sizeof(T) + 2 * sizeof(std::uint32_t)) % line == 0 && natural < line ? line : natural;

    struct cell {
        alignas(alignment) std::byte storage[sizeof(T)];
        cell_state state{};

        T* object() noexcept { return std::launder(reinterpret_cast<T*>(storage)); }
        const T* object() const noexcept { return std::launder(reinterpret_cast<const T*>(storage)); }
    };
    // Some 16 KiB a chunk, 64 where cells are large, and at least eight cells: the pointers to the chunks of a million
    // connections still fit into a cache.
    static constexpr std::size_t chunk_octets = sizeof(cell) < 256 ? 16'384 : 65'536;
    static constexpr std::uint32_t chunk_cells = static_cast<std::uint32_t>(
        std::bit_floor(sizeof(cell) > chunk_octets / 8 ? std::size_t{8} : chunk_octets / sizeof(cell)));

    static_assert(alignment <= line);
    static constexpr chunk_shape shape{chunk_cells, sizeof(cell), sizeof(T), offsetof(cell, state)};

    cell& cell_at(std::uint32_t i) const noexcept
    {
        return reinterpret_cast<cell*>(chunks_[i / chunk_cells])[i % chunk_cells];
    }

    bool holds(slab_id id) const noexcept { return get(id) != nullptr; }

    static void copy_cell(const cell& from, cell& to)
    {
        if (from.state.occupied()) {
            detail::unpoison(to.storage, sizeof(T));
            ::new (static_cast<void*>(to.storage)) T(*from.object());
        }
        to.state = from.state;
    }
};

}  // namespace tcpco
